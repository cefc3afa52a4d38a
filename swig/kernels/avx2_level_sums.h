#pragma once

#include "kernels/SDCKernels.h"

#include <immintrin.h>

// Included by files that are compiled for AVX2.

namespace faiss_bebr {

namespace {

void level_sums(
        int dim,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* sums,
        int32_t* squares) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i low_bytes = _mm256_set1_epi16(0xff);
    for (size_t j = 0; j < ngroups * kGroup; j += 8) {
        const uint8_t* column =
                levels + j / kGroup * kGroup * dim + 4 * (j % kGroup);
        __m256i sum = _mm256_setzero_si256();
        __m256i square = _mm256_setzero_si256();
        for (int i = 0; i < dim; i += 4) {
            const __m256i row =
                    _mm256_loadu_si256((const __m256i*)(column + i * kGroup));
            const __m256i even = _mm256_and_si256(row, low_bytes);
            const __m256i odd = _mm256_srli_epi16(row, 8);
            sum = _mm256_add_epi32(
                    sum, _mm256_madd_epi16(_mm256_add_epi16(even, odd), ones));
            square = _mm256_add_epi32(
                    square,
                    _mm256_add_epi32(
                            _mm256_madd_epi16(even, even),
                            _mm256_madd_epi16(odd, odd)));
        }
        _mm256_storeu_si256((__m256i*)(sums + j), sum);
        _mm256_storeu_si256((__m256i*)(squares + j), square);
    }
}

} // namespace

} // namespace faiss_bebr
