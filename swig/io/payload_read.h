#pragma once

#include "io/MappedFile.h"

#include <faiss/impl/io.h>
#include <faiss/impl/maybe_owned_vector.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace faiss_bebr {

/// of memory that a payload of some bytes may ask for beside what is in them
uint64_t max_unwritten_bytes(uint64_t payload_size);

/// The bytes of a payload, each chunk checked before any of it is given out.
/// See PayloadWriter for the format.
struct CheckedPayload {
    uint32_t format_version = 0;
    uint64_t size = 0; ///< of the whole payload

    /// whether it is known that no bytes are missing; else the size is but
    /// what the header says
    bool is_complete = false;

    virtual ~CheckedPayload() {}

    /// of the next byte to read
    virtual uint64_t tell() const {
        return position;
    }

    /// @return  bytes that are not read yet
    uint64_t remaining() const {
        return size - tell();
    }

    /// throws if n is less than the size
    void set_available_bytes(uint64_t n);

    /** Has to be called before more memory is taken than there are bytes for,
     * as empty lists do: small files, and parts of them, could ask for any
     * amount. Throws if it was too much in all.
     * @param n  bytes
     */
    void take_unwritten(uint64_t n);

    /** The next n bytes in memory, or as a view of the file if it is to be
     * mapped. What is mapped is not checked, as that would read it all.
     */
    virtual faiss::MaybeOwnedVector<uint8_t> take(uint64_t n);

   protected:
    uint64_t position = 0;
    uint64_t unwritten = 0; ///< bytes that were taken
    std::vector<uint32_t> checksums;
    std::vector<uint8_t> chunk; ///< the one that was checked last
    uint64_t chunk_number = UINT64_MAX;

    /// reads all before the payload
    void read_header(faiss::IOReader& source);

    /// @return  how many items there were, as fread
    size_t read(void* ptr, size_t item_size, size_t nitems);

    /// the bytes of a chunk, not checked
    virtual void fetch(uint64_t number, uint8_t* bytes, size_t n) = 0;

   private:
    size_t chunk_size(uint64_t number) const;

    /// throws if the checksum is another
    void fetch_checked(uint64_t number, uint8_t* bytes);
};

/// A payload from any reader, from front to back.
struct StreamPayloadReader : faiss::IOReader, CheckedPayload {
    faiss::IOReader* source; ///< not owned

    explicit StreamPayloadReader(faiss::IOReader* source);

    size_t operator()(void* ptr, size_t size, size_t nitems) override;

   protected:
    void fetch(uint64_t number, uint8_t* bytes, size_t n) override;
};

/** A payload in a file. It is a FileIOReader since FAISS maps inverted lists
 * from these only, by position in the file.
 */
struct FilePayloadReader : faiss::FileIOReader, CheckedPayload {
    /// @param map  whether take() gives views of the file
    FilePayloadReader(const char* fname, bool map);

    size_t operator()(void* ptr, size_t size, size_t nitems) override;

    /// FAISS moves on in the file over what it maps
    uint64_t tell() const override;

    faiss::MaybeOwnedVector<uint8_t> take(uint64_t n) override;

   protected:
    uint64_t start;                     ///< of the payload in the file
    std::shared_ptr<MappedFile> mapped; ///< nullptr: not to be mapped

    void fetch(uint64_t number, uint8_t* bytes, size_t n) override;
};

} // namespace faiss_bebr
