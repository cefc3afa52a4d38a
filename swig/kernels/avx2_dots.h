// Tiles of inner products over groups of levels, included by the two files
// that differ in how they add up four products.

#pragma once

#include "kernels/SDCKernels.h"

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

/** NQ queries against NG groups: as many as the 16 registers hold. The loops
 * over them must be unrolled, or GCC keeps the sums in memory.
 * @param dot4  adds the four products of each document to its sum
 */
template <int NQ, int NG, __m256i (*dot4)(__m256i, __m256i, __m256i)>
inline void dots_tile(
        int dim,
        const int8_t* queries,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    __m256i sums[NQ][2 * NG];
#pragma GCC unroll 8
    for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
        for (int g = 0; g < 2 * NG; g++) {
            sums[q][g] = _mm256_setzero_si256();
        }
    }
    for (int i = 0; i < dim; i += 4) {
        __m256i docs[2 * NG];
#pragma GCC unroll 8
        for (int g = 0; g < 2 * NG; g++) {
            docs[g] = _mm256_loadu_si256(
                    (const __m256i*)(levels +
                                     (size_t(g / 2) * dim + i) * kGroup +
                                     g % 2 * 32));
        }
#pragma GCC unroll 8
        for (int q = 0; q < NQ; q++) {
            int32_t dims;
            std::memcpy(&dims, queries + q * dim + i, 4);
            const __m256i query = _mm256_set1_epi32(dims);
#pragma GCC unroll 8
            for (int g = 0; g < 2 * NG; g++) {
                sums[q][g] = dot4(sums[q][g], docs[g], query);
            }
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
        for (int g = 0; g < 2 * NG; g++) {
            int32_t* out = dots + (q * ngroups + g / 2) * kGroup + g % 2 * 8;
            _mm256_storeu_si256((__m256i*)out, sums[q][g]);
        }
    }
}

template <int NQ, int NG, __m256i (*dot4)(__m256i, __m256i, __m256i)>
void dots_rows(
        int dim,
        const int8_t* queries,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    size_t g = 0;
    for (; g + NG <= ngroups; g += NG) {
        dots_tile<NQ, NG, dot4>(
                dim,
                queries,
                levels + g * kGroup * dim,
                ngroups,
                dots + g * kGroup);
    }
    for (; g < ngroups; g++) {
        dots_tile<NQ, 1, dot4>(
                dim,
                queries,
                levels + g * kGroup * dim,
                ngroups,
                dots + g * kGroup);
    }
}

/// @param NQ  queries of a tile of one group
template <int NQ, __m256i (*dot4)(__m256i, __m256i, __m256i)>
void dots_all(
        int dim,
        const int8_t* queries,
        size_t nq,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    size_t q = 0;
    for (; q + NQ <= nq; q += NQ) {
        dots_rows<NQ, 1, dot4>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                dots + q * ngroups * kGroup);
    }
    // of few queries, more groups, as each sum waits for itself
    for (; q + 2 <= nq; q += 2) {
        dots_rows<2, 2, dot4>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                dots + q * ngroups * kGroup);
    }
    for (; q < nq; q++) {
        dots_rows<1, 4, dot4>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                dots + q * ngroups * kGroup);
    }
}

} // namespace

} // namespace faiss_bebr
