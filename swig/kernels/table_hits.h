// What kernels for tables find, included by files that are compiled for other
// instruction sets than the rest.

#pragma once

#include "kernels/TableKernels.h"

#include <cstddef>
#include <cstdint>

namespace faiss_bebr {

namespace {

/// bit i of x becomes bit 2 i
inline uint64_t spread_bits(uint32_t x) {
    uint64_t bits = x;
    bits = (bits | bits << 16) & 0x0000ffff0000ffff;
    bits = (bits | bits << 8) & 0x00ff00ff00ff00ff;
    bits = (bits | bits << 4) & 0x0f0f0f0f0f0f0f0f;
    bits = (bits | bits << 2) & 0x3333333333333333;
    return (bits | bits << 1) & 0x5555555555555555;
}

/** The numbers of documents of group g.
 * @param even, odd  whether document 2 i or 2 i + 1 is one
 * @return           how many
 */
inline size_t store_hits(
        size_t g,
        uint32_t even,
        uint32_t odd,
        uint32_t* hits) {
    size_t n = 0;
    uint64_t mask = spread_bits(even) | spread_bits(odd) << 1;
    for (; mask != 0; mask &= mask - 1) {
        hits[n++] = static_cast<uint32_t>(g * kColumn + __builtin_ctzll(mask));
    }
    return n;
}

} // namespace

} // namespace faiss_bebr
