// Inner products straight from packed codes, included by the two files that
// differ in one instruction: they define dot4_i32x16 first.

#pragma once

#include "kernels/avx512_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// N codes, at most 4, of NP planes
template <int N, int NP>
inline void code_dots_tile(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        int32_t* dots) {
    __m512i sums[N];
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
        sums[k] = _mm512_setzero_si512();
    }
    for (int i = 0; i < planes.dim; i += 64) {
        __m512i rows[N];
        load_levels_u8x64<N, NP>(planes, codes, i, rows);
        const __m512i dims = load_u8x64(query, i, planes.dim);
#pragma GCC unroll 4
        for (int k = 0; k < N; k++) {
            sums[k] = dot4_i32x16(sums[k], rows[k], dims);
        }
    }
    const __m512i zero = _mm512_setzero_si512();
    const __m512i all[4] = {
            sums[0],
            N > 1 ? sums[N > 1 ? 1 : 0] : zero,
            N > 2 ? sums[N > 2 ? 2 : 0] : zero,
            N > 3 ? sums[N > 3 ? 3 : 0] : zero};
    int32_t totals[4];
    sum_lanes_i32x16(all, totals);
    std::memcpy(dots, totals, N * sizeof(int32_t));
}

template <int NP>
void code_dots_of(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    const size_t nbytes = planes.plane_offsets[planes.nplanes];
    size_t k = 0;
    for (; k + 4 <= n; k += 4) {
        prefetch_codes(codes, k, n, nbytes);
        code_dots_tile<4, NP>(planes, query, codes + k, dots + k);
    }
    for (; k < n; k++) {
        code_dots_tile<1, NP>(planes, query, codes + k, dots + k);
    }
}

void code_dots(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    // numbers of planes that are known, so that loops over them are unrolled
    switch (planes.nplanes) {
        case 1:
            return code_dots_of<1>(planes, query, codes, n, dots);
        case 2:
            return code_dots_of<2>(planes, query, codes, n, dots);
        case 3:
            return code_dots_of<3>(planes, query, codes, n, dots);
        case 4:
            return code_dots_of<4>(planes, query, codes, n, dots);
        default:
            return code_dots_of<0>(planes, query, codes, n, dots);
    }
}

} // namespace

} // namespace faiss_bebr
