#include "io/payload_write.h"

#include "io/crc32.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace faiss_bebr {

namespace {

void write_all(faiss::IOWriter& target, const void* bytes, size_t n) {
    const size_t done = target(bytes, 1, n);
    FAISS_THROW_IF_NOT_FMT(
            done == n,
            "write error in %s: %zd of %zd bytes written",
            target.name.c_str(),
            done,
            n);
}

template <class T>
void append(std::string& header, T value) {
    header.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

} // namespace

size_t PayloadSummary::operator()(
        const void* ptr,
        size_t item_size,
        size_t nitems) {
    const auto* bytes = static_cast<const uint8_t*>(ptr);
    for (size_t left = item_size * nitems; left > 0;) {
        const size_t used = size % kChunkSize;
        if (used == 0) {
            checksums.push_back(0);
        }
        const size_t n = std::min(left, kChunkSize - used);
        checksums.back() = crc32(checksums.back(), bytes, n);
        size += n;
        bytes += n;
        left -= n;
    }
    return nitems;
}

PayloadWriter::PayloadWriter(
        faiss::IOWriter* target_in,
        const PayloadSummary& summary)
        : target(target_in), expected(summary) {
    std::string header(kMagic, kMagicSize);
    append(header, kFormatVersion);
    append(header, expected.size);
    for (uint32_t checksum : expected.checksums) {
        append(header, checksum);
    }
    append(header,
           crc32(0,
                 reinterpret_cast<const uint8_t*>(header.data()),
                 header.size()));
    write_all(*target, header.data(), header.size());
    buffer.reserve(kChunkSize);
}

size_t PayloadWriter::operator()(
        const void* ptr,
        size_t item_size,
        size_t nitems) {
    const auto* bytes = static_cast<const uint8_t*>(ptr);
    written(ptr, item_size, nitems);
    FAISS_THROW_IF_NOT_MSG(
            written.size <= expected.size,
            "the index was changed while it was written");
    const size_t n = item_size * nitems;
    if (buffer.size() + n > kChunkSize) {
        flush();
    }
    if (n > kChunkSize) {
        write_all(*target, bytes, n);
    } else {
        buffer.insert(buffer.end(), bytes, bytes + n);
    }
    return nitems;
}

void PayloadWriter::flush() {
    write_all(*target, buffer.data(), buffer.size());
    buffer.clear();
}

void PayloadWriter::finish() {
    flush();
    FAISS_THROW_IF_NOT_MSG(
            written.size == expected.size &&
                    written.checksums == expected.checksums,
            "the index was changed while it was written");
}

} // namespace faiss_bebr
