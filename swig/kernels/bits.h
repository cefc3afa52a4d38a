// Reading the bits of planes, included by files of several instruction sets.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace faiss_bebr {

namespace {

inline int clamp(int x, int low, int high) {
    return x < low ? low : x > high ? high : x;
}

/** The bits at p, of which `bytes` (0..sizeof(T)) may be read; zeros for
 * others. Few bytes are not copied by memcpy: callers hold sums in registers,
 * which a call would make them write to memory.
 */
template <class T>
inline T load_bits(const uint8_t* p, int bytes) {
    T bits = 0;
    if (__builtin_expect(bytes == sizeof(T), 1)) {
        std::memcpy(&bits, p, sizeof(T));
        return bits;
    }
    for (int i = 0; i < bytes; i++) {
        bits |= static_cast<T>(p[i]) << (8 * i);
    }
    return bits;
}

/// the sum of V_q^2, and what the sum_two_planes() of rows has added, twice
inline int32_t get_bias_of_two_planes(size_t width, const uint8_t* query) {
    int32_t bias = static_cast<int32_t>((8 + 16) * width);
    for (size_t i = 0; i < width; i++) {
        const int is_mixed = query[i] ^ query[width + i];
        bias += 8 * (8 - __builtin_popcount(is_mixed));
    }
    return bias;
}

} // namespace

} // namespace faiss_bebr
