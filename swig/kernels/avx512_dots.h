// Tiles of inner products over groups of levels, included by the two files
// that differ in one instruction: they define dot4_i32x16 first.

#pragma once

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

/** NQ queries against NG groups: as many as the 32 registers hold. The loops
 * over them must be unrolled, or GCC keeps the sums in memory.
 */
template <int NQ, int NG>
inline void dots_tile(
        int dim,
        const int8_t* queries,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    __m512i sums[NQ][NG];
#pragma GCC unroll 8
    for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
        for (int g = 0; g < NG; g++) {
            sums[q][g] = _mm512_setzero_si512();
        }
    }
    for (int i = 0; i < dim; i += 4) {
        __m512i docs[NG];
#pragma GCC unroll 8
        for (int g = 0; g < NG; g++) {
            docs[g] =
                    _mm512_loadu_si512(levels + (size_t(g) * dim + i) * kGroup);
        }
#pragma GCC unroll 8
        for (int q = 0; q < NQ; q++) {
            int32_t dims;
            std::memcpy(&dims, queries + q * dim + i, 4);
            const __m512i query = _mm512_set1_epi32(dims);
#pragma GCC unroll 8
            for (int g = 0; g < NG; g++) {
                sums[q][g] = dot4_i32x16(sums[q][g], docs[g], query);
            }
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
        for (int g = 0; g < NG; g++) {
            _mm512_storeu_si512(dots + (q * ngroups + g) * kGroup, sums[q][g]);
        }
    }
}

template <int NQ>
inline void dots_rows(
        int dim,
        const int8_t* queries,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    size_t g = 0;
    for (; g + 4 <= ngroups; g += 4) {
        dots_tile<NQ, 4>(
                dim,
                queries,
                levels + g * kGroup * dim,
                ngroups,
                dots + g * kGroup);
    }
    for (; g < ngroups; g++) {
        dots_tile<NQ, 1>(
                dim,
                queries,
                levels + g * kGroup * dim,
                ngroups,
                dots + g * kGroup);
    }
}

void dots(
        int dim,
        const int8_t* queries,
        size_t nq,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    size_t q = 0;
    for (; q + 6 <= nq; q += 6) {
        dots_rows<6>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                dots + q * ngroups * kGroup);
    }
    for (; q < nq; q++) {
        dots_rows<1>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                dots + q * ngroups * kGroup);
    }
}

} // namespace

} // namespace faiss_bebr
