// Levels from bit planes with 512-bit registers, included by the files that
// are compiled for them.

#pragma once

#include "kernels/SDCKernels.h"

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// the 64 bits at p, of which `bytes` (0..8) may be read
inline uint64_t load_bits64(const uint8_t* p, int bytes) {
    uint64_t bits = 0;
    if (bytes == 8) {
        // apart, as a copy of a known size is one instruction
        std::memcpy(&bits, p, 8);
    } else {
        std::memcpy(&bits, p, bytes);
    }
    return bits;
}

inline int clamp(int x, int low, int high) {
    return x < low ? low : x > high ? high : x;
}

/// the first n of 64 bits, all for n >= 64
inline uint64_t mask_of_first(int n) {
    return n < 64 ? (uint64_t(1) << n) - 1 : ~uint64_t(0);
}

/** Add the levels of the dimensions i .. i + 63 of n codes to their rows;
 * dimensions past the last one have no bits.
 */
inline void add_levels_u8x64(
        const PlanesView& planes,
        const uint8_t* const* codes,
        size_t n,
        int i,
        __m512i* rows) {
    for (int t = 0; t < planes.nplanes; t++) {
        const int bytes = clamp((planes.plane_widths[t] - i) / 8, 0, 8);
        const size_t offset = planes.plane_offsets[t] + i / 8;
        const __m512i weight = _mm512_set1_epi8(
                static_cast<char>(1 << (planes.nplanes - 1 - t)));
        for (size_t k = 0; k < n; k++) {
            const uint64_t bits = load_bits64(codes[k] + offset, bytes);
            rows[k] = _mm512_mask_add_epi8(
                    rows[k], _cvtu64_mask64(bits), rows[k], weight);
        }
    }
}

/// bytes i .. i + 63 of dim, zeros for those past the last one
inline __m512i load_u8x64(const void* bytes, int i, int dim) {
    return _mm512_maskz_loadu_epi8(
            _cvtu64_mask64(mask_of_first(dim - i)),
            static_cast<const uint8_t*>(bytes) + i);
}

} // namespace

} // namespace faiss_bebr
