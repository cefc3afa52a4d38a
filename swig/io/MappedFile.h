#pragma once

#include <faiss/impl/maybe_owned_vector.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace faiss_bebr {

/** A whole file, mapped read-only and shared with other processes: writing to
 * it crashes, and so does reading what somebody cut off the file after it was
 * opened. Unmapped when the last view of it is gone.
 */
struct MappedFile : faiss::MaybeOwnedVectorOwner {
    std::string path;
    const uint8_t* data = nullptr; ///< nullptr for an empty file
    size_t size = 0;

    /// throws for what cannot be opened, or is no regular file
    explicit MappedFile(const std::string& path);

    /// of a file that is open for reading
    /// @param path  for messages
    MappedFile(int fd, const std::string& path);
    ~MappedFile() override;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;

    /// Tell the system not to read ahead: only what is touched becomes
    /// resident.
    void expect_random_access() const;
};

/** Bytes of a file as the data of a FAISS index, which must not change it: an
 * index that tries to resize a view ends the process in libfaiss, see
 * faiss::MaybeOwnedVector.
 * @param offset, size  in bytes, within the file
 */
faiss::MaybeOwnedVector<uint8_t> view_of(
        const std::shared_ptr<MappedFile>& file,
        size_t offset,
        size_t size);

} // namespace faiss_bebr
