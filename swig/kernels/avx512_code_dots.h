// Inner products straight from packed codes, included by the two files that
// differ in one instruction: they define dot4_i32x16 first.

#pragma once

#include "kernels/avx512_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// the sums of the lanes of four registers
inline void sum_lanes_i32x16(const __m512i rows[4], int32_t* sums) {
    const __m512i x01 = _mm512_add_epi32(
            _mm512_unpacklo_epi32(rows[0], rows[1]),
            _mm512_unpackhi_epi32(rows[0], rows[1]));
    const __m512i x23 = _mm512_add_epi32(
            _mm512_unpacklo_epi32(rows[2], rows[3]),
            _mm512_unpackhi_epi32(rows[2], rows[3]));
    // four lanes of each row are left
    int32_t lanes[16];
    _mm512_storeu_si512(
            lanes,
            _mm512_add_epi32(
                    _mm512_unpacklo_epi64(x01, x23),
                    _mm512_unpackhi_epi64(x01, x23)));
    for (int k = 0; k < 4; k++) {
        sums[k] = lanes[k] + lanes[4 + k] + lanes[8 + k] + lanes[12 + k];
    }
}

/// N codes, at most 4
template <int N>
inline void code_dots_tile(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        int32_t* dots) {
    __m512i sums[4];
    for (__m512i& sum : sums) {
        sum = _mm512_setzero_si512();
    }
    for (int i = 0; i < planes.dim; i += 64) {
        __m512i rows[N];
        load_levels_u8x64<N>(planes, codes, i, rows);
        const __m512i dims = load_u8x64(query, i, planes.dim);
#pragma GCC unroll 4
        for (int k = 0; k < N; k++) {
            sums[k] = dot4_i32x16(sums[k], rows[k], dims);
        }
    }
    int32_t totals[4];
    sum_lanes_i32x16(sums, totals);
    std::memcpy(dots, totals, N * sizeof(int32_t));
}

void code_dots(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    size_t k = 0;
    for (; k + 4 <= n; k += 4) {
        code_dots_tile<4>(planes, query, codes + k, dots + k);
    }
    for (; k < n; k++) {
        code_dots_tile<1>(planes, query, codes + k, dots + k);
    }
}

} // namespace

} // namespace faiss_bebr
