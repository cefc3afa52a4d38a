// Levels from bit planes with 256-bit registers, included by the files that
// are compiled for them.

#pragma once

#include "kernels/SDCKernels.h"
#include "kernels/bits.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// bit i of `bits` as byte i: 0 or 0xff
inline __m256i spread_bits_u8x32(uint32_t bits) {
    const __m256i byte_of_lane = _mm256_setr_epi64x(
            0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit_of_lane = _mm256_set1_epi64x(0x8040201008040201);
    const __m256i bytes = _mm256_shuffle_epi8(
            _mm256_set1_epi32(static_cast<int>(bits)), byte_of_lane);
    return _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit_of_lane), bit_of_lane);
}

/** Levels of the dimensions i .. i + 31; those past the last one are 0.
 * @param nplanes  of `planes`; apart, as callers may know it when compiled
 */
inline __m256i levels_u8x32(
        const PlanesView& planes,
        int nplanes,
        const uint8_t* code,
        int i) {
    __m256i levels = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int t = 0; t < nplanes; t++) {
        const int bytes = clamp((planes.plane_widths[t] - i) / 8, 0, 4);
        const uint32_t bits = load_bits<uint32_t>(
                code + planes.plane_offsets[t] + i / 8, bytes);
        const __m256i weight =
                _mm256_set1_epi8(static_cast<char>(1 << (nplanes - 1 - t)));
        levels = _mm256_or_si256(
                levels, _mm256_and_si256(spread_bits_u8x32(bits), weight));
    }
    return levels;
}

inline __m256i levels_u8x32(
        const PlanesView& planes,
        const uint8_t* code,
        int i) {
    return levels_u8x32(planes, planes.nplanes, code, i);
}

} // namespace

} // namespace faiss_bebr
