// Reading the bits of planes, included by files of several instruction sets.

#pragma once

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

} // namespace

} // namespace faiss_bebr
