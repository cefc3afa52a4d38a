#pragma once

#include "kernels/product_tiles.h"

#include <arm_neon.h>

#include <cstring>

namespace faiss_bebr {

namespace {

/// 16 lanes in four vectors
struct Lanes {
    float32x4_t quarters[4];
};

/// what the lanes of each of four sums sum up to, in the order of products
inline float32x4_t add_lanes_f32x4(const Lanes sums[4]) {
    float32x4_t quarters[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const float32x4_t* q = sums[i].quarters;
        quarters[i] = vaddq_f32(vaddq_f32(q[0], q[2]), vaddq_f32(q[1], q[3]));
    }
    const auto add_halves = [](float32x4_t a, float32x4_t b) {
        return vaddq_f32(
                vcombine_f32(vget_low_f32(a), vget_low_f32(b)),
                vcombine_f32(vget_high_f32(a), vget_high_f32(b)));
    };
    return vpaddq_f32(
            add_halves(quarters[0], quarters[1]),
            add_halves(quarters[2], quarters[3]));
}

template <bool is_fused>
struct ProductTiles {
    static constexpr int kRows = 2;
    static constexpr int kOutputs = 3;
    static constexpr int kRowOutputs = 4;

    template <int R, int C>
    static void run(const Products& p, size_t i, size_t o, size_t nskip) {
        const float* x = p.x + i * p.d_in;
        const float* weight = p.weight + o * p.d_in;
        Lanes sums[8] = {};
        const auto add = [&](size_t k, const auto& load) {
#pragma GCC unroll 4
            for (int quarter = 0; quarter < 4; quarter++) {
                float32x4_t rows[R];
#pragma GCC unroll 2
                for (int r = 0; r < R; r++) {
                    rows[r] = load(x + r * p.d_in + k, quarter);
                }
#pragma GCC unroll 4
                for (int c = 0; c < C; c++) {
                    const float* column = weight + c * p.d_in + k;
                    const float32x4_t weights = load(column, quarter);
#pragma GCC unroll 2
                    for (int r = 0; r < R; r++) {
                        float32x4_t& sum = sums[r * C + c].quarters[quarter];
                        sum = is_fused
                                ? vfmaq_f32(sum, rows[r], weights)
                                : vaddq_f32(sum, vmulq_f32(rows[r], weights));
                    }
                }
            }
        };
        size_t k = 0;
        for (; k + kLanes <= p.d_in; k += kLanes) {
#pragma GCC unroll 4
            for (int c = 0; c < C; c++) {
                prefetch_next_tile<C>(weight + c * p.d_in + k, p.d_in);
            }
            add(k, [](const float* v, int quarter) {
                return vld1q_f32(v + 4 * quarter);
            });
        }
        if (k < p.d_in) {
            const size_t rest = p.d_in - k;
            add(k, [rest](const float* v, int quarter) {
                float lanes[kLanes] = {};
                std::memcpy(lanes, v, rest * sizeof(float));
                return vld1q_f32(lanes + 4 * quarter);
            });
        }
        float totals[8];
        vst1q_f32(totals, add_lanes_f32x4(sums));
        vst1q_f32(totals + 4, add_lanes_f32x4(sums + 4));
        store_tile<R, C>(p, i, o, nskip, totals);
    }
};

float double_product(size_t n, const float* a, const float* b) {
    float64x2_t sums[8];
    for (float64x2_t& sum : sums) {
        sum = vdupq_n_f64(0);
    }
    const auto add = [&](const float* x, const float* y) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const float32x4_t p = vld1q_f32(x + 4 * i);
            const float32x4_t q = vld1q_f32(y + 4 * i);
            // products of floats are exact, so it does not matter that they are
            // fused
            sums[2 * i] = vfmaq_f64(
                    sums[2 * i],
                    vcvt_f64_f32(vget_low_f32(p)),
                    vcvt_f64_f32(vget_low_f32(q)));
            sums[2 * i + 1] = vfmaq_f64(
                    sums[2 * i + 1],
                    vcvt_high_f64_f32(p),
                    vcvt_high_f64_f32(q));
        }
    };
    size_t k = 0;
    for (; k + kLanes <= n; k += kLanes) {
        add(a + k, b + k);
    }
    if (k < n) {
        float x[kLanes] = {}, y[kLanes] = {};
        std::memcpy(x, a + k, (n - k) * sizeof(float));
        std::memcpy(y, b + k, (n - k) * sizeof(float));
        add(x, y);
    }
    for (int half = 4; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            sums[i] = vaddq_f64(sums[i], sums[i + half]);
        }
    }
    return static_cast<float>(vaddvq_f64(sums[0]));
}

} // namespace

} // namespace faiss_bebr
