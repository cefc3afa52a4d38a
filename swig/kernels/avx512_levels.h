// Levels from bit planes with 512-bit registers, included by the files that
// are compiled for them.

#pragma once

#include "kernels/SDCKernels.h"

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// the 64 bits at p, of which `bytes` (0..8) may be read
inline __mmask64 load_mask64(const uint8_t* p, int bytes) {
    uint64_t bits;
    if (bytes == 8) {
        std::memcpy(&bits, p, 8);
    } else {
        const __mmask16 mask = static_cast<__mmask16>((1 << bytes) - 1);
        bits = static_cast<uint64_t>(
                _mm_cvtsi128_si64(_mm_maskz_loadu_epi8(mask, p)));
    }
    return _cvtu64_mask64(bits);
}

inline int clamp(int x, int low, int high) {
    return x < low ? low : x > high ? high : x;
}

/// the first n of 64 bits, all for n >= 64
inline uint64_t mask_of_first(int n) {
    return n < 64 ? (uint64_t(1) << n) - 1 : ~uint64_t(0);
}

/** Levels of the dimensions i .. i + 63 of N codes; dimensions past the last
 * one have no bits.
 */
template <int N>
inline void load_levels_u8x64(
        const PlanesView& planes,
        const uint8_t* const* codes,
        int i,
        __m512i* rows) {
    __m512i levels[N];
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
        levels[k] = _mm512_setzero_si512();
    }
    for (int t = 0; t < planes.nplanes && planes.plane_widths[t] > i; t++) {
        const int bytes = clamp((planes.plane_widths[t] - i) / 8, 0, 8);
        const size_t offset = planes.plane_offsets[t] + i / 8;
        const __m512i weight = _mm512_set1_epi8(
                static_cast<char>(1 << (planes.nplanes - 1 - t)));
#pragma GCC unroll 4
        for (int k = 0; k < N; k++) {
            const __mmask64 bits = load_mask64(codes[k] + offset, bytes);
            levels[k] =
                    _mm512_mask_add_epi8(levels[k], bits, levels[k], weight);
        }
    }
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
        rows[k] = levels[k];
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
