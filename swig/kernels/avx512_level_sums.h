#pragma once

#include "kernels/SDCKernels.h"

#include <immintrin.h>

// Included by files that are compiled for AVX512.

namespace faiss_bebr {

namespace {

void level_sums(
        int dim,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* sums,
        int32_t* squares) {
    const __m512i ones = _mm512_set1_epi16(1);
    const __m512i low_bytes = _mm512_set1_epi16(0xff);
    for (size_t g = 0; g < ngroups; g++) {
        const uint8_t* group = levels + g * kGroup * dim;
        __m512i sum = _mm512_setzero_si512();
        __m512i square = _mm512_setzero_si512();
        for (int i = 0; i < dim; i += 4) {
            const __m512i row = _mm512_loadu_si512(group + i * kGroup);
            const __m512i even = _mm512_and_si512(row, low_bytes);
            const __m512i odd = _mm512_srli_epi16(row, 8);
            sum = _mm512_add_epi32(
                    sum, _mm512_madd_epi16(_mm512_add_epi16(even, odd), ones));
            square = _mm512_add_epi32(
                    square,
                    _mm512_add_epi32(
                            _mm512_madd_epi16(even, even),
                            _mm512_madd_epi16(odd, odd)));
        }
        _mm512_storeu_si512(sums + g * kGroup, sum);
        _mm512_storeu_si512(squares + g * kGroup, square);
    }
}

} // namespace

} // namespace faiss_bebr
