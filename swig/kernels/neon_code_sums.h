// Float sums over the values of packed codes.

#pragma once

#include "kernels/neon_levels.h"

namespace faiss_bebr {

namespace {

/// values 2 * level - base of 8 dimensions
inline void get_values_f32x8(
        uint8x8_t levels,
        const uint8_t* base,
        float32x4_t values[2]) {
    const int16x8_t x = vreinterpretq_s16_u16(
            vsubq_u16(vshll_n_u8(levels, 1), vmovl_u8(vld1_u8(base))));
    values[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(x)));
    values[1] = vcvtq_f32_s32(vmovl_high_s16(x));
}

/// the sum of 64 partial sums
inline float sum_in_halves(float32x4_t sums[16]) {
    for (int half = 8; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            sums[j] = vaddq_f32(sums[j], sums[j + half]);
        }
    }
    const float32x2_t x2 =
            vadd_f32(vget_low_f32(sums[0]), vget_high_f32(sums[0]));
    return vget_lane_f32(x2, 0) + vget_lane_f32(x2, 1);
}

/** @param code_b  nullptr if the term does not use it
 *  @param term    of 4 dimensions from i on, given the values of both codes
 */
template <class Term>
inline float sum_of_terms(
        const PlanesView& planes,
        const uint8_t* code_a,
        const uint8_t* code_b,
        const Term& term) {
    float32x4_t sums[16];
    for (float32x4_t& sum : sums) {
        sum = vdupq_n_f32(0.0f);
    }
    for (int i = 0; i < planes.dim; i += 64) {
        uint8x16_t a[4], b[4];
        get_levels_u8x64(planes, code_a, i, a);
        if (code_b) {
            get_levels_u8x64(planes, code_b, i, b);
        }
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) {
            const int k = i + 8 * j;
            if (k < planes.dim) {
                const uint8_t* base = planes.level_base + k;
                const auto half = [j](const uint8x16_t* levels) {
                    return j % 2 ? vget_high_u8(levels[j / 2])
                                 : vget_low_u8(levels[j / 2]);
                };
                float32x4_t va[2], vb[2];
                get_values_f32x8(half(a), base, va);
                if (code_b) {
                    get_values_f32x8(half(b), base, vb);
                }
                for (int h = 0; h < 2; h++) {
                    const float32x4_t other = code_b ? vb[h] : va[h];
                    sums[2 * j + h] = vaddq_f32(
                            sums[2 * j + h], term(k + 4 * h, va[h], other));
                }
            }
        }
    }
    return sum_in_halves(sums);
}

float code_norm(
        const PlanesView& planes,
        const float* weight,
        const uint8_t* code) {
    return sum_of_terms(
            planes, code, nullptr, [=](int i, float32x4_t v, float32x4_t) {
                return vmulq_f32(vld1q_f32(weight + i), vmulq_f32(v, v));
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
            planes, code_a, code_b, [=](int i, float32x4_t a, float32x4_t b) {
                const float32x4_t x = vmulq_f32(
                        vld1q_f32(weight + i),
                        vmulq_f32(vdupq_n_f32(scale_a), a));
                return vmulq_f32(vaddq_f32(x, vld1q_f32(offset + i)), b);
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
            planes, code_a, code_b, [=](int i, float32x4_t a, float32x4_t b) {
                const float32x4_t x = vsubq_f32(
                        vmulq_f32(vdupq_n_f32(scale_a), a),
                        vmulq_f32(vdupq_n_f32(scale_b), b));
                return vmulq_f32(vld1q_f32(weight + i), vmulq_f32(x, x));
            });
}

} // namespace

} // namespace faiss_bebr
