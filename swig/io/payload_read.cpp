#include "io/payload_read.h"

#include "io/crc32.h"
#include "io/payload_write.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
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

/// reads a part of the header and adds it to the checksum
template <class T>
T read_number(faiss::IOReader& source, uint32_t& crc) {
    T value;
    read_all(source, &value, sizeof(value));
    crc = crc32(crc, reinterpret_cast<const uint8_t*>(&value), sizeof(value));
    return value;
}

} // namespace

void CheckedPayload::read_header(faiss::IOReader& source) {
    char magic[kMagicSize];
    read_all(source, magic, kMagicSize);
    FAISS_THROW_IF_NOT_MSG(
            std::memcmp(magic, kMagic, kMagicSize) == 0,
            "not an index file of faiss_bebr");
    uint32_t crc =
            crc32(0, reinterpret_cast<const uint8_t*>(magic), kMagicSize);
    const auto version = read_number<uint32_t>(source, crc);
    FAISS_THROW_IF_NOT_FMT(
            version == kFormatVersion,
            "the index file has format version %u, this faiss_bebr reads %u",
            version,
            kFormatVersion);
    size = read_number<uint64_t>(source, crc);
    const uint64_t nchunks = size / kChunkSize + (size % kChunkSize > 0);
    // not reserved: the file may be shorter than its header says
    for (uint64_t i = 0; i < nchunks; i++) {
        checksums.push_back(read_number<uint32_t>(source, crc));
    }
    uint32_t expected;
    read_all(source, &expected, sizeof(expected));
    FAISS_THROW_IF_NOT_MSG(
            crc == expected, "the header of the index file is corrupted");
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
        if (number != chunk_number) {
            chunk_number = UINT64_MAX; // in case that fetch throws
            chunk.resize(
                    std::min<uint64_t>(kChunkSize, size - number * kChunkSize));
            fetch(number);
            FAISS_THROW_IF_NOT_FMT(
                    crc32(0, chunk.data(), chunk.size()) == checksums[number],
                    "the index file is corrupted: wrong checksum of chunk %zd",
                    size_t(number));
            chunk_number = number;
        }
        const size_t n = std::min(left, chunk.size() - offset);
        std::memcpy(bytes, chunk.data() + offset, n);
        position += n;
        bytes += n;
        left -= n;
    }
    return nitems;
}

faiss::MaybeOwnedVector<uint8_t> CheckedPayload::take(uint64_t n) {
    FAISS_THROW_IF_NOT_FMT(
            n <= remaining(),
            "the index file is corrupted: %zd bytes expected, %zd left",
            size_t(n),
            size_t(remaining()));
    faiss::MaybeOwnedVector<uint8_t> bytes;
    // in steps, as a stream may be shorter than its header says
    while (bytes.size() < n) {
        const size_t done = bytes.size();
        const size_t step = std::min<uint64_t>(n - done, 64 * kChunkSize);
        bytes.resize(done + step);
        read(bytes.data() + done, 1, step);
    }
    return bytes;
}

StreamPayloadReader::StreamPayloadReader(faiss::IOReader* source_in)
        : source(source_in) {
    name = source->name;
    read_header(*source);
}

size_t StreamPayloadReader::operator()(
        void* ptr,
        size_t item_size,
        size_t nitems) {
    return read(ptr, item_size, nitems);
}

void StreamPayloadReader::fetch(uint64_t) {
    // chunks are asked for one after the other
    read_all(*source, chunk.data(), chunk.size());
}

FilePayloadReader::FilePayloadReader(const char* fname, bool map)
        : FileIOReader(fname) {
    name = fname;
    // the reader itself would look for a payload
    faiss::FileIOReader plain(f);
    plain.name = name;
    read_header(plain);
    start = std::ftell(f);
    FAISS_THROW_IF_NOT_FMT(
            std::fseek(f, 0, SEEK_END) == 0 &&
                    uint64_t(std::ftell(f)) - start == size &&
                    std::fseek(f, start, SEEK_SET) == 0,
            "%s is truncated or longer than its header says",
            fname);
    if (map) {
        mapped = std::make_shared<MappedFile>(fname);
    }
}

size_t FilePayloadReader::operator()(
        void* ptr,
        size_t item_size,
        size_t nitems) {
    // FAISS moves on in the file over what it maps
    const uint64_t now = std::ftell(f);
    FAISS_THROW_IF_NOT_FMT(
            now >= start && now - start <= size,
            "%s is corrupted: lists beyond its end",
            name.c_str());
    position = now - start;
    const size_t done = read(ptr, item_size, nitems);
    std::fseek(f, start + position, SEEK_SET);
    return done;
}

faiss::MaybeOwnedVector<uint8_t> FilePayloadReader::take(uint64_t n) {
    position = std::ftell(f) - start;
    faiss::MaybeOwnedVector<uint8_t> bytes;
    if (mapped) {
        FAISS_THROW_IF_NOT_FMT(
                n <= remaining(),
                "%s is corrupted: %zd bytes expected, %zd left",
                name.c_str(),
                size_t(n),
                size_t(remaining()));
        bytes = view_of(mapped, start + position, n);
        position += n;
    } else {
        bytes = CheckedPayload::take(n);
    }
    std::fseek(f, start + position, SEEK_SET);
    return bytes;
}

void FilePayloadReader::fetch(uint64_t number) {
    std::fseek(f, start + number * kChunkSize, SEEK_SET);
    const size_t done = std::fread(chunk.data(), 1, chunk.size(), f);
    FAISS_THROW_IF_NOT_FMT(
            done == chunk.size(), "cannot read %s", name.c_str());
}

} // namespace faiss_bebr
