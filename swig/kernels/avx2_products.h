#pragma once

#include "kernels/product_tiles.h"

#include <cstring>
#include <immintrin.h>

// Included by files that are compiled for AVX2 and FMA.

namespace faiss_bebr {

namespace {

/// what the lanes of each of 8 sums of 16 lanes, two vectors each, sum up to,
/// in the order of products
inline __m256 add_lanes_f32x8(const __m256 sums[8][2]) {
    __m256 eighths[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        eighths[i] = _mm256_add_ps(sums[i][0], sums[i][1]);
    }
    // halves of 128 bits: [i, i + 4]
    __m256 quarters[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        quarters[i] = _mm256_add_ps(
                _mm256_permute2f128_ps(eighths[i], eighths[i + 4], 0x20),
                _mm256_permute2f128_ps(eighths[i], eighths[i + 4], 0x31));
    }
    const auto add_halves = [](__m256 a, __m256 b) {
        return _mm256_add_ps(
                _mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
    };
    return _mm256_hadd_ps(
            add_halves(quarters[0], quarters[1]),
            add_halves(quarters[2], quarters[3]));
}

template <bool is_fused>
struct ProductTiles {
    static constexpr int kRows = 3;
    static constexpr int kOutputs = 4;
    static constexpr int kRowOutputs = 8;

    /** Lanes 0 .. 7 of all products first, then lanes 8 .. 15: registers hold
     * eight lanes of so many sums.
     */
    template <int R, int C>
    static void run(const Products& p, size_t i, size_t o, size_t nskip) {
        __m256 sums[16][2] = {};
        add_half<R, C>(p, i, o, 0, sums);
        add_half<R, C>(p, i, o, 1, sums);
        float totals[16];
        _mm256_storeu_ps(totals, add_lanes_f32x8(sums));
        if (R * C > 8) {
            _mm256_storeu_ps(totals + 8, add_lanes_f32x8(sums + 8));
        }
        store_tile<R, C>(p, i, o, nskip, totals);
    }

    template <int R, int C>
    static inline __attribute__((always_inline)) void add_half(
            const Products& p,
            size_t i,
            size_t o,
            int half,
            __m256 sums[16][2]) {
        const float* x = p.x + i * p.d_in + 8 * half;
        const float* weight = p.weight + o * p.d_in + 8 * half;
        const auto add = [&](size_t k, const auto& load) {
            __m256 rows[R];
#pragma GCC unroll 3
            for (int r = 0; r < R; r++) {
                rows[r] = load(x + r * p.d_in + k);
            }
#pragma GCC unroll 8
            for (int c = 0; c < C; c++) {
                const float* column = weight + c * p.d_in + k;
                prefetch_next_tile<C>(column, p.d_in);
                const __m256 weights = load(column);
#pragma GCC unroll 3
                for (int r = 0; r < R; r++) {
                    __m256& sum = sums[r * C + c][half];
                    sum = is_fused
                            ? _mm256_fmadd_ps(rows[r], weights, sum)
                            : _mm256_add_ps(
                                      sum, _mm256_mul_ps(rows[r], weights));
                }
            }
        };
        size_t k = 0;
        for (; k + kLanes <= p.d_in; k += kLanes) {
            add(k, [](const float* v) { return _mm256_loadu_ps(v); });
        }
        if (k < p.d_in) {
            const __m256i rest = _mm256_cmpgt_epi32(
                    _mm256_set1_epi32(int(p.d_in - k) - 8 * half),
                    _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
            add(k,
                [rest](const float* v) { return _mm256_maskload_ps(v, rest); });
        }
    }
};

float double_product(size_t n, const float* a, const float* b) {
    __m256d sums[4] = {};
    const auto add = [&](const float* x, const float* y) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            // products of floats are exact, so it does not matter that they are
            // fused
            sums[i] = _mm256_fmadd_pd(
                    _mm256_cvtps_pd(_mm_loadu_ps(x + 4 * i)),
                    _mm256_cvtps_pd(_mm_loadu_ps(y + 4 * i)),
                    sums[i]);
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
    const __m256d quarters = _mm256_add_pd(
            _mm256_add_pd(sums[0], sums[2]), _mm256_add_pd(sums[1], sums[3]));
    const __m128d eighths = _mm_add_pd(
            _mm256_castpd256_pd128(quarters),
            _mm256_extractf128_pd(quarters, 1));
    return static_cast<float>(_mm_cvtsd_f64(_mm_hadd_pd(eighths, eighths)));
}

} // namespace

} // namespace faiss_bebr
