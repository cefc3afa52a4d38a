// Float sums over the values of packed codes.

#pragma once

#include "kernels/avx2_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// values 2 * level - base of 8 dimensions
inline __m256 values_f32x8(const uint8_t* levels, const uint8_t* base) {
    const __m256i c =
            _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)levels));
    const __m256i b =
            _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)base));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_add_epi32(c, c), b));
}

inline float sum_in_halves(__m256 sums[8]) {
    for (int half = 4; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            sums[j] = _mm256_add_ps(sums[j], sums[j + half]);
        }
    }
    const __m128 x4 = _mm_add_ps(
            _mm256_castps256_ps128(sums[0]), _mm256_extractf128_ps(sums[0], 1));
    const __m128 x2 = _mm_add_ps(x4, _mm_movehl_ps(x4, x4));
    return _mm_cvtss_f32(_mm_add_ss(x2, _mm_movehdup_ps(x2)));
}

/** @param code_b  nullptr if the term does not use it
 *  @param term    of 8 dimensions from i on, given the values of both codes
 */
template <class Term>
inline float sum_of_terms(
        const PlanesView& planes,
        const uint8_t* code_a,
        const uint8_t* code_b,
        const Term& term) {
    __m256 sums[8];
    for (__m256& sum : sums) {
        sum = _mm256_setzero_ps();
    }
    for (int i = 0; i < planes.dim; i += 64) {
        uint8_t a[64], b[64];
        for (int j = 0; j < 64; j += 32) {
            _mm256_storeu_si256(
                    (__m256i*)(a + j), levels_u8x32(planes, code_a, i + j));
            if (code_b) {
                _mm256_storeu_si256(
                        (__m256i*)(b + j), levels_u8x32(planes, code_b, i + j));
            }
        }
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            const int k = i + 8 * j;
            if (k < planes.dim) {
                const uint8_t* base = planes.level_base + k;
                const __m256 va = values_f32x8(a + 8 * j, base);
                const __m256 vb = code_b ? values_f32x8(b + 8 * j, base) : va;
                sums[j] = _mm256_add_ps(sums[j], term(k, va, vb));
            }
        }
    }
    return sum_in_halves(sums);
}

float code_norm(
        const PlanesView& planes,
        const float* weight,
        const uint8_t* code) {
    return sum_of_terms(planes, code, nullptr, [=](int i, __m256 v, __m256) {
        return _mm256_mul_ps(_mm256_loadu_ps(weight + i), _mm256_mul_ps(v, v));
    });
}

float code_product(
        const PlanesView& planes,
        const float* weight,
        const float* offset,
        float scale_a,
        const uint8_t* code_a,
        const uint8_t* code_b) {
    return sum_of_terms(planes, code_a, code_b, [=](int i, __m256 a, __m256 b) {
        const __m256 x = _mm256_mul_ps(
                _mm256_loadu_ps(weight + i),
                _mm256_mul_ps(_mm256_set1_ps(scale_a), a));
        return _mm256_mul_ps(_mm256_add_ps(x, _mm256_loadu_ps(offset + i)), b);
    });
}

float code_l2sqr(
        const PlanesView& planes,
        const float* weight,
        float scale_a,
        const uint8_t* code_a,
        float scale_b,
        const uint8_t* code_b) {
    return sum_of_terms(planes, code_a, code_b, [=](int i, __m256 a, __m256 b) {
        const __m256 x = _mm256_sub_ps(
                _mm256_mul_ps(_mm256_set1_ps(scale_a), a),
                _mm256_mul_ps(_mm256_set1_ps(scale_b), b));
        return _mm256_mul_ps(_mm256_loadu_ps(weight + i), _mm256_mul_ps(x, x));
    });
}

} // namespace

} // namespace faiss_bebr
