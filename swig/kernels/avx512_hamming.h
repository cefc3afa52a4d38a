// Hamming distances over groups of words, included by the two files that
// differ in one instruction: they define popcount_u64x8 first.

#pragma once

#include "kernels/avx512_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

template <int NQ>
inline void hamming_rows(
        size_t nwords,
        const uint64_t* queries,
        const uint64_t* words,
        size_t ngroups,
        int32_t* dots) {
    for (size_t g = 0; g < ngroups; g++) {
        const uint64_t* group = words + g * kGroup * nwords;
        __m512i sums[NQ][2];
        for (int q = 0; q < NQ; q++) {
            sums[q][0] = sums[q][1] = _mm512_setzero_si512();
        }
        for (size_t w = 0; w < nwords; w++) {
            const __m512i docs0 = _mm512_loadu_si512(group + w * kGroup);
            const __m512i docs1 = _mm512_loadu_si512(group + w * kGroup + 8);
            for (int q = 0; q < NQ; q++) {
                const __m512i query = _mm512_set1_epi64(
                        static_cast<long long>(queries[q * nwords + w]));
                sums[q][0] = _mm512_add_epi64(
                        sums[q][0],
                        popcount_u64x8(_mm512_xor_si512(docs0, query)));
                sums[q][1] = _mm512_add_epi64(
                        sums[q][1],
                        popcount_u64x8(_mm512_xor_si512(docs1, query)));
            }
        }
        for (int q = 0; q < NQ; q++) {
            __m256i* out = (__m256i*)(dots + (q * ngroups + g) * kGroup);
            _mm256_storeu_si256(out, _mm512_cvtepi64_epi32(sums[q][0]));
            _mm256_storeu_si256(out + 1, _mm512_cvtepi64_epi32(sums[q][1]));
        }
    }
}

void hamming(
        size_t nwords,
        const uint64_t* queries,
        size_t nq,
        const uint64_t* words,
        size_t ngroups,
        int32_t* dots) {
    size_t q = 0;
    for (; q + 4 <= nq; q += 4) {
        hamming_rows<4>(
                nwords,
                queries + q * nwords,
                words,
                ngroups,
                dots + q * ngroups * kGroup);
    }
    for (; q < nq; q++) {
        hamming_rows<1>(
                nwords,
                queries + q * nwords,
                words,
                ngroups,
                dots + q * ngroups * kGroup);
    }
}

} // namespace

} // namespace faiss_bebr
