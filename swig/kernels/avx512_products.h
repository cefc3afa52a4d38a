#pragma once

#include "kernels/product_tiles.h"

#include <immintrin.h>

// Included by files that are compiled for AVX512.

namespace faiss_bebr {

namespace {

/// what the 16 lanes of each of 16 vectors sum up to, in the order of products
inline __m512 add_lanes_f32x16(const __m512 a[16]) {
    // lanes of 128 bits: [a[i], a[i], a[i + 4], a[i + 4]]
    __m512 halves[16];
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        const int i = j < 4 ? j : j + 4;
        halves[i] = _mm512_add_ps(
                _mm512_shuffle_f32x4(a[i], a[i + 4], 0x44),
                _mm512_shuffle_f32x4(a[i], a[i + 4], 0xee));
    }
    // [a[i], a[i + 4], a[i + 8], a[i + 12]]
    __m512 quarters[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        quarters[i] = _mm512_add_ps(
                _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0x88),
                _mm512_shuffle_f32x4(halves[i], halves[i + 8], 0xdd));
    }
    // two sums of each, then one
    const auto add_halves = [](__m512 a, __m512 b) {
        return _mm512_add_ps(
                _mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
    };
    const __m512 low = add_halves(quarters[0], quarters[1]);
    const __m512 high = add_halves(quarters[2], quarters[3]);
    return _mm512_add_ps(
            _mm512_shuffle_ps(low, high, 0x88),
            _mm512_shuffle_ps(low, high, 0xdd));
}

template <bool is_fused>
struct ProductTiles {
    static constexpr int kRows = 4;
    static constexpr int kOutputs = 6;
    static constexpr int kRowOutputs = 8;

    template <int R, int C>
    static void run(const Products& p, size_t i, size_t o, size_t nskip) {
        const float* x = p.x + i * p.d_in;
        const float* weight = p.weight + o * p.d_in;
        __m512 sums[32] = {};
        const auto add = [&](size_t k, const auto& load) {
            __m512 rows[R];
#pragma GCC unroll 4
            for (int r = 0; r < R; r++) {
                rows[r] = load(x + r * p.d_in + k);
            }
#pragma GCC unroll 8
            for (int c = 0; c < C; c++) {
                const float* column = weight + c * p.d_in + k;
                prefetch_next_tile<C>(column, p.d_in);
                const __m512 weights = load(column);
#pragma GCC unroll 4
                for (int r = 0; r < R; r++) {
                    __m512& sum = sums[r * C + c];
                    sum = is_fused
                            ? _mm512_fmadd_ps(rows[r], weights, sum)
                            : _mm512_add_ps(
                                      sum, _mm512_mul_ps(rows[r], weights));
                }
            }
        };
        size_t k = 0;
        for (; k + kLanes <= p.d_in; k += kLanes) {
            add(k, [](const float* v) { return _mm512_loadu_ps(v); });
        }
        if (k < p.d_in) {
            const __mmask16 rest = (1u << (p.d_in - k)) - 1;
            add(k, [rest](const float* v) {
                return _mm512_maskz_loadu_ps(rest, v);
            });
        }
        const __m512 low = add_lanes_f32x16(sums);
        const __m512 high = R * C > 16 ? add_lanes_f32x16(sums + 16) : low;
        const __mmask8 wanted = ((1u << C) - 1) & ~((1u << nskip) - 1);
        const __m512i places = _mm512_setr_epi32(
                0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
            const float* start = p.start + (i + r) * p.start_stride + o;
            const __m512 row = _mm512_permutex2var_ps(
                    low,
                    _mm512_add_epi32(places, _mm512_set1_epi32(r * C)),
                    high);
            _mm256_mask_storeu_ps(
                    p.y + (i + r) * p.d_out + o,
                    wanted,
                    _mm256_add_ps(
                            _mm256_maskz_loadu_ps(wanted, start),
                            _mm512_castps512_ps256(row)));
        }
    }
};

float double_product(size_t n, const float* a, const float* b) {
    // products of floats are exact, so it does not matter that they are fused
    __m512d low = _mm512_setzero_pd(), high = low;
    const auto add = [&](__m256 x, __m256 y, __m512d& sums) {
        sums = _mm512_fmadd_pd(_mm512_cvtps_pd(x), _mm512_cvtps_pd(y), sums);
    };
    size_t k = 0;
    for (; k + kLanes <= n; k += kLanes) {
        add(_mm256_loadu_ps(a + k), _mm256_loadu_ps(b + k), low);
        add(_mm256_loadu_ps(a + k + 8), _mm256_loadu_ps(b + k + 8), high);
    }
    if (k < n) {
        const __mmask16 rest = (1u << (n - k)) - 1;
        const __m512 x = _mm512_maskz_loadu_ps(rest, a + k);
        const __m512 y = _mm512_maskz_loadu_ps(rest, b + k);
        add(_mm512_castps512_ps256(x), _mm512_castps512_ps256(y), low);
        add(_mm512_castps512_ps256(_mm512_shuffle_f32x4(x, x, 0xee)),
            _mm512_castps512_ps256(_mm512_shuffle_f32x4(y, y, 0xee)),
            high);
    }
    const __m512d halves = _mm512_add_pd(low, high);
    const __m256d quarters = _mm256_add_pd(
            _mm512_castpd512_pd256(halves), _mm512_extractf64x4_pd(halves, 1));
    const __m128d eighths = _mm_add_pd(
            _mm256_castpd256_pd128(quarters),
            _mm256_extractf128_pd(quarters, 1));
    return static_cast<float>(_mm_cvtsd_f64(_mm_hadd_pd(eighths, eighths)));
}

} // namespace

} // namespace faiss_bebr
