// Distances of a query and codes that lie one after the other, included by the
// files that differ in two instructions: they define popcount_u64x8 and
// dot4_low_i32x16 first.

#pragma once

#include "kernels/avx512_bit_rows.h"
#include "kernels/avx512_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// dimensions that are compared before the next ones, of all codes
constexpr int kLevelSlice = 512;

/** What levels are compared with in the dimensions i .. i + 511: levels, or
 * minus the values V.
 * @param rows  output, 8 registers
 * @return      the bias
 */
template <bool is_l2>
inline int32_t load_query_slice(
        const PlanesView& planes,
        const uint8_t* query,
        int i,
        __m512i* rows) {
    const int max_level = (1 << planes.nplanes) - 1;
    int32_t bias = 0;
    for (int end = clamp(i + kLevelSlice, 0, planes.dim); i < end; i += 64) {
        load_levels_u8x64<1>(planes, &query, i, rows);
        if (!is_l2) {
            *rows = _mm512_maskz_sub_epi8(
                    _cvtu64_mask64(mask_of_first(planes.dim - i)),
                    _mm512_set1_epi8(static_cast<char>(max_level)),
                    _mm512_add_epi8(*rows, *rows));
            int8_t values[64];
            _mm512_storeu_si512(values, *rows);
            for (int8_t value : values) {
                bias += max_level * value;
            }
        }
        rows++;
    }
    return bias;
}

/// sums of the levels of a code, each below 128, with what the above gives
template <bool is_l2>
inline __m512i add_level_sums(__m512i sums, __m512i levels, __m512i query) {
    if (is_l2) {
        const __m512i x = _mm512_abs_epi8(_mm512_sub_epi8(levels, query));
        return dot4_low_i32x16(sums, x, x);
    }
    return dot4_low_i32x16(sums, levels, query);
}

/// @param is_first  whether earlier slices have no part in the distances
template <bool is_l2, int N>
inline void store_level_distances(
        const __m512i sums[4],
        int32_t bias,
        bool is_first,
        int32_t* distances) {
    const __mmask8 mask = (1 << N) - 1;
    int32_t totals[4];
    sum_lanes_i32x16(sums, totals);
    __m128i x = _mm_loadu_si128((const __m128i*)totals);
    if (!is_l2) {
        x = _mm_sub_epi32(_mm_set1_epi32(bias), _mm_add_epi32(x, x));
    }
    if (!is_first) {
        x = _mm_add_epi32(x, _mm_maskz_loadu_epi32(mask, distances));
    }
    _mm_mask_storeu_epi32(distances, mask, x);
}

/// N codes, at most 4
template <bool is_l2, int nplanes, int N>
inline void compare_levels(
        const PlanesView& planes,
        const __m512i* query,
        int32_t bias,
        int i,
        const uint8_t* codes,
        int32_t* distances) {
    const bool is_first = i == 0;
    const uint8_t* rows[N];
    __m512i sums[4];
    for (int k = 0; k < 4; k++) {
        sums[k] = _mm512_setzero_si512();
    }
    for (int k = 0; k < N; k++) {
        rows[k] = codes + k * planes.plane_offsets[planes.nplanes];
    }
    for (int end = clamp(i + kLevelSlice, 0, planes.dim); i < end; i += 64) {
        __m512i levels[N];
        load_levels_u8x64<N, nplanes>(planes, rows, i, levels);
#pragma GCC unroll 4
        for (int k = 0; k < N; k++) {
            sums[k] = add_level_sums<is_l2>(sums[k], levels[k], *query);
        }
        query++;
    }
    store_level_distances<is_l2, N>(sums, bias, is_first, distances);
}

/// @param nplanes  if known, otherwise 0
template <bool is_l2, int nplanes>
void compare_level_rows(
        const PlanesView& planes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const size_t code_size = planes.plane_offsets[planes.nplanes];
    for (int i = 0; i < planes.dim; i += kLevelSlice) {
        __m512i rows[kLevelSlice / 64];
        const int32_t bias = load_query_slice<is_l2>(planes, query, i, rows);
        size_t k = 0;
        for (; k + 4 <= n; k += 4) {
            if (i == 0) {
                prefetch_rows(codes + k * code_size, 4 * code_size);
            }
            compare_levels<is_l2, nplanes, 4>(
                    planes,
                    rows,
                    bias,
                    i,
                    codes + k * code_size,
                    distances + k);
        }
        for (; k < n; k++) {
            compare_levels<is_l2, nplanes, 1>(
                    planes,
                    rows,
                    bias,
                    i,
                    codes + k * code_size,
                    distances + k);
        }
    }
}

template <bool is_l2>
void compare_rows(
        const PlanesView& planes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const size_t width = planes.plane_offsets[1];
    switch (planes.nplanes) {
        case 1:
            return compare_bit_rows<1, is_l2>(
                    width, query, codes, n, distances);
        case 2:
            return compare_bit_rows<2, is_l2>(
                    width, query, codes, n, distances);
        case 4:
            return compare_level_rows<is_l2, 4>(
                    planes, query, codes, n, distances);
        default:
            return compare_level_rows<is_l2, 0>(
                    planes, query, codes, n, distances);
    }
}

} // namespace

} // namespace faiss_bebr
