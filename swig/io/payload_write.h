#pragma once

#include <faiss/impl/io.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "index files are written in the byte order of little-endian machines"
#endif

namespace faiss_bebr {

/** The file format around an index: the one place that says what it is.
 *
 *     "BEBR"           4 bytes
 *     format version   uint32
 *     payload size     uint64, bytes
 *     checksums        uint32 for each chunk of 2^20 bytes of the payload (the
 *                      last may be shorter)
 *     header checksum  uint32, of all bytes before it
 *     payload
 *
 * Numbers are little-endian, checksums CRC-32. The payload lies in one piece,
 * so that parts of it can be mapped, and no byte of it reaches a parser before
 * its chunk was checked. The checksums come first since a stream cannot be
 * rewound; so the payload is produced twice, for a PayloadSummary and for
 * a PayloadWriter.
 */
constexpr char kMagic[] = "BEBR";
constexpr size_t kMagicSize = 4;
constexpr uint32_t kFormatVersion = 6;
constexpr uint32_t kOldestFormatVersion = 1; ///< that can be read
constexpr size_t kChunkSize = 1 << 20;

/// Takes size and checksums of the bytes that are written to it.
struct PayloadSummary : faiss::IOWriter {
    uint64_t size = 0;
    std::vector<uint32_t> checksums;

    size_t operator()(const void* ptr, size_t size, size_t nitems) override;
};

/// Writes the header and then the bytes of a payload, which have to be those
/// of the summary.
struct PayloadWriter : faiss::IOWriter {
    faiss::IOWriter* target; ///< not owned
    PayloadSummary expected;
    PayloadSummary written;
    std::vector<uint8_t> buffer; ///< bytes that the target does not have yet

    /// writes the header
    PayloadWriter(faiss::IOWriter* target, const PayloadSummary& summary);

    size_t operator()(const void* ptr, size_t size, size_t nitems) override;

    /// has to be called after the last byte; throws if the payload is not that
    /// of the summary, as when an index was changed while it was written
    void finish();

   private:
    void flush();
};

} // namespace faiss_bebr
