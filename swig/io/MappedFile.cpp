#include "io/MappedFile.h"

#include <faiss/impl/FaissAssert.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace faiss_bebr {

namespace {

/// An open file, closed at the end.
struct FileDescriptor {
    int fd;

    // a pipe without a writer would block
    explicit FileDescriptor(const std::string& path)
            : fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
        FAISS_THROW_IF_NOT_FMT(
                fd >= 0,
                "could not open %s for reading: %s",
                path.c_str(),
                std::strerror(errno));
    }
    ~FileDescriptor() {
        close(fd);
    }
};

} // namespace

MappedFile::MappedFile(const std::string& path_in)
        : MappedFile(FileDescriptor(path_in).fd, path_in) {}

MappedFile::MappedFile(int fd, const std::string& path_in) : path(path_in) {
    struct stat status;
    FAISS_THROW_IF_NOT_FMT(
            fstat(fd, &status) == 0,
            "could not open %s for reading: %s",
            path.c_str(),
            std::strerror(errno));
    FAISS_THROW_IF_NOT_FMT(
            S_ISREG(status.st_mode), "%s is no regular file", path.c_str());
    if (status.st_size == 0) {
        return;
    }
    void* address = mmap(nullptr, status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    FAISS_THROW_IF_NOT_FMT(
            address != MAP_FAILED,
            "could not map %s: %s",
            path.c_str(),
            std::strerror(errno));
    data = static_cast<const uint8_t*>(address);
    size = status.st_size;
}

MappedFile::~MappedFile() {
    if (data) {
        munmap(const_cast<uint8_t*>(data), size);
    }
}

void MappedFile::expect_random_access() const {
    if (data) {
        // advice that is not taken does no harm
        (void)madvise(const_cast<uint8_t*>(data), size, MADV_RANDOM);
    }
}

faiss::MaybeOwnedVector<uint8_t> view_of(
        const std::shared_ptr<MappedFile>& file,
        size_t offset,
        size_t size) {
    FAISS_THROW_IF_NOT_FMT(
            offset <= file->size && size <= file->size - offset,
            "%s has %zd bytes, not %zd at offset %zd",
            file->path.c_str(),
            file->size,
            size,
            offset);
    return faiss::MaybeOwnedVector<uint8_t>::create_view(
            const_cast<uint8_t*>(file->data) + offset, size, file);
}

} // namespace faiss_bebr
