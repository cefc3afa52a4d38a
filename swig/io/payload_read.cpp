#include "io/payload_read.h"

#include "io/crc32.h"
#include "io/payload_write.h"

#include <faiss/impl/FaissAssert.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace faiss_bebr {

namespace {

/// reads n bytes or throws
void read_all(faiss::IOReader& source, void* bytes, size_t n) {
    const size_t done = source(bytes, 1, n);
    FAISS_THROW_IF_NOT_FMT(
            done == n,
            "%s ends too early: %zd bytes where %zd were expected",
            source.name.empty() ? "the index file" : source.name.c_str(),
            done,
            n);
}

/// n numbers; in steps, as a stream may be shorter than its header says
std::vector<uint32_t> read_checksums(faiss::IOReader& source, uint64_t n) {
    constexpr uint64_t step = 1 << 16;
    std::vector<uint32_t> values;
    while (values.size() < n) {
        const size_t done = values.size();
        values.resize(std::min(n, done + step));
        read_all(
                source,
                values.data() + done,
                (values.size() - done) * sizeof(uint32_t));
    }
    return values;
}

/// what a header begins with
struct Preamble {
    char magic[kMagicSize];
    uint32_t version;
    uint64_t size;
};
static_assert(sizeof(Preamble) == 16, "no gaps");

template <class T>
uint32_t add_to_crc(uint32_t crc, const T* values, size_t n) {
    return crc32(crc, reinterpret_cast<const uint8_t*>(values), n * sizeof(T));
}

} // namespace

uint64_t max_unwritten_bytes(uint64_t payload_size) {
    // an empty list takes 160 bytes, a centroid's code has three or more
    constexpr uint64_t least = 256 << 20, ratio = 64;
    return least + std::min(payload_size, UINT64_MAX / ratio / 2) * ratio;
}

void CheckedPayload::read_header(faiss::IOReader& source) {
    Preamble preamble;
    read_all(source, &preamble, sizeof(preamble));
    FAISS_THROW_IF_NOT_MSG(
            std::memcmp(preamble.magic, kMagic, kMagicSize) == 0,
            "not an index file of faiss_bebr");
    FAISS_THROW_IF_NOT_FMT(
            preamble.version >= kOldestFormatVersion &&
                    preamble.version <= kFormatVersion,
            "the index file has format version %u, this faiss_bebr reads %u "
            "to %u",
            preamble.version,
            kOldestFormatVersion,
            kFormatVersion);
    format_version = preamble.version;
    size = preamble.size;
    const uint64_t nchunks = size / kChunkSize + (size % kChunkSize > 0);
    checksums = read_checksums(source, nchunks);
    uint32_t expected;
    read_all(source, &expected, sizeof(expected));
    uint32_t crc = add_to_crc(0, &preamble, 1);
    crc = add_to_crc(crc, checksums.data(), checksums.size());
    FAISS_THROW_IF_NOT_MSG(
            crc == expected, "the header of the index file is corrupted");
}

void CheckedPayload::set_available_bytes(uint64_t n) {
    FAISS_THROW_IF_NOT_FMT(
            size <= n,
            "the index file ends too early: it has %zd bytes, by its header "
            "%zd",
            size_t(n),
            size_t(size));
    is_complete = true;
}

void CheckedPayload::take_unwritten(uint64_t n) {
    const uint64_t most = max_unwritten_bytes(is_complete ? size : tell());
    FAISS_THROW_IF_NOT_FMT(
            n <= most && unwritten <= most - n,
            "the index file is corrupted: it has %zd bytes, and takes %zd more "
            "of memory",
            size_t(size),
            size_t(n));
    unwritten += n;
}

size_t CheckedPayload::chunk_size(uint64_t number) const {
    return std::min<uint64_t>(kChunkSize, size - number * kChunkSize);
}

void CheckedPayload::fetch_checked(uint64_t number, uint8_t* bytes) {
    const size_t n = chunk_size(number);
    fetch(number, bytes, n);
    FAISS_THROW_IF_NOT_FMT(
            crc32(0, bytes, n) == checksums[number],
            "the index file is corrupted: wrong checksum of chunk %zd",
            size_t(number));
}

size_t CheckedPayload::read(void* ptr, size_t item_size, size_t nitems) {
    if (item_size == 0 || nitems == 0) {
        return 0;
    }
    nitems = std::min<uint64_t>(nitems, remaining() / item_size);
    auto* bytes = static_cast<uint8_t*>(ptr);
    for (size_t left = item_size * nitems; left > 0;) {
        const uint64_t number = position / kChunkSize;
        const size_t offset = position % kChunkSize;
        const size_t n = std::min(left, chunk_size(number) - offset);
        if (n == kChunkSize && number != chunk_number) {
            fetch_checked(number, bytes); // no need to keep it
        } else {
            if (number != chunk_number) {
                chunk_number = UINT64_MAX; // in case that this throws
                chunk.resize(chunk_size(number));
                fetch_checked(number, chunk.data());
                chunk_number = number;
            }
            std::memcpy(bytes, chunk.data() + offset, n);
        }
        position += n;
        bytes += n;
        left -= n;
    }
    return nitems;
}

faiss::MaybeOwnedVector<uint8_t> CheckedPayload::take(uint64_t n) {
    faiss::MaybeOwnedVector<uint8_t> bytes;
    // in steps if a stream may be shorter than its header says
    const uint64_t max_step = is_complete ? n : 64 * kChunkSize;
    while (bytes.size() < n) {
        const size_t done = bytes.size();
        const size_t step = std::min<uint64_t>(n - done, max_step);
        bytes.resize(done + step);
        read(bytes.data() + done, 1, step);
    }
    return bytes;
}

StreamPayloadReader::StreamPayloadReader(faiss::IOReader* source_in)
        : source(source_in) {
    name = source->name;
    read_header(*source);
    if (auto* memory = dynamic_cast<const faiss::VectorIOReader*>(source)) {
        set_available_bytes(memory->data.size() - memory->rp);
    }
}

size_t StreamPayloadReader::operator()(
        void* ptr,
        size_t item_size,
        size_t nitems) {
    return read(ptr, item_size, nitems);
}

void StreamPayloadReader::fetch(uint64_t, uint8_t* bytes, size_t n) {
    // chunks are asked for one after the other
    read_all(*source, bytes, n);
}

FilePayloadReader::FilePayloadReader(const char* fname, bool map)
        : FileIOReader(fname) {
    name = fname;
    // chunks are buffered here, and every read moves the file
    std::setvbuf(f, nullptr, _IONBF, 0);
    // the reader itself would look for a payload
    faiss::FileIOReader plain(f);
    plain.name = name;
    read_header(plain);
    start = std::ftell(f);
    struct stat status;
    FAISS_THROW_IF_NOT_FMT(
            fstat(fileno(f), &status) == 0,
            "cannot read %s: %s",
            fname,
            std::strerror(errno));
    const uint64_t available = status.st_size - start;
    set_available_bytes(available);
    FAISS_THROW_IF_NOT_FMT(
            available == size,
            "the index file is corrupted: %zd bytes too many",
            size_t(available - size));
    if (map) {
        mapped = std::make_shared<MappedFile>(fileno(f), fname);
    }
}

uint64_t FilePayloadReader::tell() const {
    const uint64_t now = std::ftell(f);
    FAISS_THROW_IF_NOT_FMT(
            now >= start && now - start <= size,
            "%s is corrupted: lists beyond its end",
            name.c_str());
    return now - start;
}

size_t FilePayloadReader::operator()(
        void* ptr,
        size_t item_size,
        size_t nitems) {
    position = tell();
    const size_t done = read(ptr, item_size, nitems);
    std::fseek(f, start + position, SEEK_SET);
    return done;
}

faiss::MaybeOwnedVector<uint8_t> FilePayloadReader::take(uint64_t n) {
    position = tell();
    faiss::MaybeOwnedVector<uint8_t> bytes;
    if (mapped) {
        bytes = view_of(mapped, start + position, n);
        position += n;
    } else {
        bytes = CheckedPayload::take(n);
    }
    std::fseek(f, start + position, SEEK_SET);
    return bytes;
}

void FilePayloadReader::fetch(uint64_t number, uint8_t* bytes, size_t n) {
    std::fseek(f, start + number * kChunkSize, SEEK_SET);
    const size_t done = std::fread(bytes, 1, n, f);
    FAISS_THROW_IF_NOT_FMT(done == n, "cannot read %s", name.c_str());
}

} // namespace faiss_bebr
