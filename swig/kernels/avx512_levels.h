// Levels from bit planes with 512-bit registers, included by the files that
// are compiled for them.

#pragma once

#include "kernels/SDCKernels.h"

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

inline __mmask64 load_mask64(const uint8_t* p) {
    using Unaligned __attribute__((aligned(1), may_alias)) = __mmask64;
    // without it the bits take the way through a general register
    return __builtin_ia32_kmovq(*reinterpret_cast<const Unaligned*>(p));
}

/// the 64 bits at p, of which `bytes` (0..8) may be read
inline __mmask64 load_mask64(const uint8_t* p, int bytes) {
    const __mmask16 mask = static_cast<__mmask16>((1 << bytes) - 1);
    return _cvtu64_mask64(
            static_cast<uint64_t>(
                    _mm_cvtsi128_si64(_mm_maskz_loadu_epi8(mask, p))));
}

/** Prefetch four codes that are read some 50 ns from now, if there are so many
 * of n.
 * @param k  the first of those that are read now
 */
inline void prefetch_codes(
        const uint8_t* const* codes,
        size_t k,
        size_t n,
        size_t nbytes) {
    constexpr size_t ahead = 32;
    if (k + ahead + 4 > n) {
        return;
    }
    for (size_t j = k + ahead; j < k + ahead + 4; j++) {
        for (size_t i = 0; i < nbytes; i += 64) {
            _mm_prefetch((const char*)codes[j] + i, _MM_HINT_T0);
        }
    }
}

/// the sums of the lanes of four registers
inline void sum_lanes_i32x16(const __m512i rows[4], int32_t* sums) {
    const __m512i x01 = _mm512_add_epi32(
            _mm512_unpacklo_epi32(rows[0], rows[1]),
            _mm512_unpackhi_epi32(rows[0], rows[1]));
    const __m512i x23 = _mm512_add_epi32(
            _mm512_unpacklo_epi32(rows[2], rows[3]),
            _mm512_unpackhi_epi32(rows[2], rows[3]));
    // four lanes of each row are left
    const __m512i x4 = _mm512_add_epi32(
            _mm512_unpacklo_epi64(x01, x23), _mm512_unpackhi_epi64(x01, x23));
    const __m256i x2 = _mm256_add_epi32(
            _mm512_castsi512_si256(x4), _mm512_extracti64x4_epi64(x4, 1));
    const __m128i x1 = _mm_add_epi32(
            _mm256_castsi256_si128(x2), _mm256_extracti128_si256(x2, 1));
    _mm_storeu_si128((__m128i*)sums, x1);
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
 * @param NP  number of planes; 0: that of `planes`
 */
template <int N, int NP = 0>
inline void load_levels_u8x64(
        const PlanesView& planes,
        const uint8_t* const* codes,
        int i,
        __m512i* rows) {
    const int nplanes = NP > 0 ? NP : planes.nplanes;
    __m512i levels[N];
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
        levels[k] = _mm512_setzero_si512();
    }
    for (int t = 0; t < nplanes && planes.plane_widths[t] > i; t++) {
        const int bytes = (planes.plane_widths[t] - i) / 8;
        const size_t offset = planes.plane_offsets[t] + i / 8;
        const __m512i weight =
                _mm512_set1_epi8(static_cast<char>(1 << (nplanes - 1 - t)));
        // apart, as whole words are read by one instruction
        if (bytes >= 8) {
#pragma GCC unroll 4
            for (int k = 0; k < N; k++) {
                levels[k] = _mm512_mask_add_epi8(
                        levels[k],
                        load_mask64(codes[k] + offset),
                        levels[k],
                        weight);
            }
        } else {
#pragma GCC unroll 4
            for (int k = 0; k < N; k++) {
                levels[k] = _mm512_mask_add_epi8(
                        levels[k],
                        load_mask64(codes[k] + offset, bytes),
                        levels[k],
                        weight);
            }
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
