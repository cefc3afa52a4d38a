#pragma once

#include <faiss/impl/io.h>

#include <cstddef>
#include <cstdint>

namespace faiss_bebr {

/// Counts the bytes that are written to it.
struct ByteCounter : faiss::IOWriter {
    uint64_t size = 0;

    size_t operator()(const void*, size_t item_size, size_t nitems) override {
        size += uint64_t(item_size) * nitems;
        return nitems;
    }
};

} // namespace faiss_bebr
