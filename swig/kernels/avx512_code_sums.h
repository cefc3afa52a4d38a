// Float sums over the values of packed codes.

#pragma once

#include "kernels/avx512_levels.h"

#include <immintrin.h>
#include <type_traits>

namespace faiss_bebr {

namespace {

/** Values of 64 dimensions, ready to be read 16 at a time.
 * @param is_wide  they are not all in -128 .. 127
 */
template <bool is_wide>
struct Values {
    __m512i bytes; ///< the values, or wide ones' levels
    __m512i base;

    void load(const PlanesView& planes, const uint8_t* code, int i) {
        load_levels_u8x64<1>(planes, &code, i, &bytes);
        base = load_u8x64(planes.level_base, i, planes.dim);
        if (!is_wide) {
            bytes = _mm512_sub_epi8(_mm512_add_epi8(bytes, bytes), base);
        }
    }
    /// 16 j .. 16 j + 15
    template <int j>
    __m512 get_f32x16() const {
        const __m128i part = _mm512_extracti32x4_epi32(bytes, j);
        if (!is_wide) {
            return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(part));
        }
        const __m512i c = _mm512_cvtepu8_epi32(part);
        const __m512i b =
                _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(base, j));
        return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_add_epi32(c, c), b));
    }
};

/// the sum of 64 partial sums
inline float sum_in_halves(const __m512 sums[4]) {
    float lanes[16];
    _mm512_storeu_ps(
            lanes,
            _mm512_add_ps(
                    _mm512_add_ps(sums[0], sums[2]),
                    _mm512_add_ps(sums[1], sums[3])));
    const __m256 x8 =
            _mm256_add_ps(_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8));
    const __m128 x4 = _mm_add_ps(
            _mm256_castps256_ps128(x8), _mm256_extractf128_ps(x8, 1));
    const __m128 x2 = _mm_add_ps(x4, _mm_movehl_ps(x4, x4));
    return _mm_cvtss_f32(_mm_add_ss(x2, _mm_movehdup_ps(x2)));
}

/** @param code_b  nullptr if the term does not use it
 *  @param term    of 16 dimensions from i on, given a mask of those that exist
 *                 and the values of both codes
 */
template <bool is_wide, class Term>
inline float sum_of_terms(
        const PlanesView& planes,
        const uint8_t* code_a,
        const uint8_t* code_b,
        const Term& term) {
    __m512 sums[4];
    for (__m512& sum : sums) {
        sum = _mm512_setzero_ps();
    }
    for (int i = 0; i < planes.dim; i += 64) {
        Values<is_wide> a, b;
        a.load(planes, code_a, i);
        if (code_b) {
            b.load(planes, code_b, i);
        }
        const uint64_t mask = mask_of_first(planes.dim - i);
        const auto add = [&](auto constant) {
            constexpr int j = decltype(constant)::value;
            const __m512 va = a.template get_f32x16<j>();
            const __m512 vb = code_b ? b.template get_f32x16<j>() : va;
            const __mmask16 m = static_cast<__mmask16>(mask >> (16 * j));
            sums[j] = _mm512_add_ps(sums[j], term(i + 16 * j, m, va, vb));
        };
        add(std::integral_constant<int, 0>());
        add(std::integral_constant<int, 1>());
        add(std::integral_constant<int, 2>());
        add(std::integral_constant<int, 3>());
    }
    return sum_in_halves(sums);
}

template <class Term>
inline float sum_of_terms(
        const PlanesView& planes,
        const uint8_t* code_a,
        const uint8_t* code_b,
        const Term& term) {
    return planes.nplanes == 8
            ? sum_of_terms<true>(planes, code_a, code_b, term)
            : sum_of_terms<false>(planes, code_a, code_b, term);
}

float code_norm(
        const PlanesView& planes,
        const float* weight,
        const uint8_t* code) {
    return sum_of_terms(
            planes, code, nullptr, [=](int i, __mmask16 m, __m512 v, __m512) {
                const __m512 w = _mm512_maskz_loadu_ps(m, weight + i);
                return _mm512_mul_ps(w, _mm512_mul_ps(v, v));
            });
}

float code_product(
        const PlanesView& planes,
        const float* weight,
        const float* offset,
        float scale_a,
        const uint8_t* code_a,
        const uint8_t* code_b) {
    return sum_of_terms(
            planes,
            code_a,
            code_b,
            [=](int i, __mmask16 m, __m512 a, __m512 b) {
                const __m512 w = _mm512_maskz_loadu_ps(m, weight + i);
                const __m512 o = _mm512_maskz_loadu_ps(m, offset + i);
                const __m512 x = _mm512_mul_ps(_mm512_set1_ps(scale_a), a);
                return _mm512_mul_ps(_mm512_add_ps(_mm512_mul_ps(w, x), o), b);
            });
}

float code_l2sqr(
        const PlanesView& planes,
        const float* weight,
        float scale_a,
        const uint8_t* code_a,
        float scale_b,
        const uint8_t* code_b) {
    return sum_of_terms(
            planes,
            code_a,
            code_b,
            [=](int i, __mmask16 m, __m512 a, __m512 b) {
                const __m512 w = _mm512_maskz_loadu_ps(m, weight + i);
                const __m512 x = _mm512_sub_ps(
                        _mm512_mul_ps(_mm512_set1_ps(scale_a), a),
                        _mm512_mul_ps(_mm512_set1_ps(scale_b), b));
                return _mm512_mul_ps(w, _mm512_mul_ps(x, x));
            });
}

} // namespace

} // namespace faiss_bebr
