// Distances of a query and codes that lie one after the other.
//
// All of them are made of sums over dimensions: the distance itself for the
// squares, and what twice the sum takes away from a bias for the products.

#pragma once

#include "kernels/bits.h"
#include "kernels/neon_levels.h"

#include <arm_neon.h>

namespace faiss_bebr {

namespace {

template <bool is_l2>
void compare_one_plane(
        size_t nbytes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const int32_t dim = static_cast<int32_t>(8 * nbytes);
    for (size_t k = 0; k < n; k++) {
        const uint8_t* code = codes + k * nbytes;
        uint32x4_t sums = vdupq_n_u32(0);
        size_t i = 0;
        for (; i + 16 <= nbytes; i += 16) {
            const uint8x16_t bits =
                    veorq_u8(vld1q_u8(query + i), vld1q_u8(code + i));
            sums = vpadalq_u16(sums, vpaddlq_u8(vcntq_u8(bits)));
        }
        int32_t count = static_cast<int32_t>(vaddvq_u32(sums));
        for (; i < nbytes; i++) {
            count += __builtin_popcount(query[i] ^ code[i]);
        }
        distances[k] = is_l2 ? count : dim - 2 * count;
    }
}

/** 16 bytes of two planes each. With the bits x that differ, (c_q - c_d)^2 is
 * x1 + 4 (x0 & ~x1) + 8 (x0 & x1), or less 8 (x0 & x1) where the bits of the
 * query differ from each other. (V_q^2 - V_q V_d) / 2 is 2 x0 - x1, and
 * 4 x0 + 4 x1 more where they do not; a byte with 8 added is not negative.
 */
template <bool is_l2>
inline uint8x16_t sum_two_planes(
        const uint8_t* code,
        const uint8_t* query,
        size_t width) {
    const uint8x16_t query0 = vld1q_u8(query);
    const uint8x16_t query1 = vld1q_u8(query + width);
    const uint8x16_t x0 = veorq_u8(vld1q_u8(code), query0);
    const uint8x16_t x1 = veorq_u8(vld1q_u8(code + width), query1);
    const uint8x16_t is_mixed = veorq_u8(query0, query1);
    if (is_l2) {
        const uint8x16_t both = vbicq_u8(vandq_u8(x0, x1), is_mixed);
        const uint8x16_t sum = vaddq_u8(
                vcntq_u8(vbicq_u8(x0, x1)), vshlq_n_u8(vcntq_u8(both), 1));
        return vaddq_u8(vcntq_u8(x1), vshlq_n_u8(sum, 2));
    }
    const uint8x16_t n1 = vcntq_u8(vmvnq_u8(x1));
    const uint8x16_t sum = vaddq_u8(
            vcntq_u8(vbicq_u8(x0, is_mixed)), vcntq_u8(vbicq_u8(x1, is_mixed)));
    return vaddq_u8(
            vaddq_u8(n1, vshlq_n_u8(vcntq_u8(x0), 1)), vshlq_n_u8(sum, 2));
}

/// @param width  a multiple of 16
template <bool is_l2>
void compare_two_planes(
        size_t width,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const int32_t bias = is_l2 ? 0 : get_bias_of_two_planes(width, query);
    for (size_t k = 0; k < n; k++) {
        const uint8_t* code = codes + k * 2 * width;
        uint32x4_t sums = vdupq_n_u32(0);
        for (size_t i = 0; i < width; i += 16) {
            const uint8x16_t part =
                    sum_two_planes<is_l2>(code + i, query + i, width);
            sums = vpadalq_u16(sums, vpaddlq_u8(part));
        }
        const int32_t sum = static_cast<int32_t>(vaddvq_u32(sums));
        distances[k] = is_l2 ? sum : bias - 2 * sum;
    }
}

/// dimensions that are compared before the next ones, of all codes
constexpr int kLevelSlice = 512;

/** What levels are compared with in the dimensions i .. i + 511: levels, or
 * minus the values V.
 * @param rows  output, 32 registers
 * @return      the bias
 */
template <bool is_l2>
inline int32_t load_query_slice(
        const PlanesView& planes,
        const uint8_t* query,
        int i,
        uint8x16_t* rows) {
    const int max_level = (1 << planes.nplanes) - 1;
    int32_t bias = 0;
    for (int end = clamp(i + kLevelSlice, 0, planes.dim); i < end; i += 64) {
        get_levels_u8x64(planes, query, i, rows);
        for (int j = 0; !is_l2 && j < 4; j++) {
            // levels of codes past the last dimension are 0
            rows[j] = vsubq_u8(
                    vdupq_n_u8(static_cast<uint8_t>(max_level)),
                    vaddq_u8(rows[j], rows[j]));
            int8_t values[16];
            vst1q_s8(values, vreinterpretq_s8_u8(rows[j]));
            const int left = clamp(planes.dim - i - 16 * j, 0, 16);
            for (int k = 0; k < left; k++) {
                bias += max_level * values[k];
            }
        }
        rows += 4;
    }
    return bias;
}

/// levels are below 128, so that they are signed bytes too
template <bool is_l2>
inline int32x4_t add_level_sums(
        int32x4_t sums,
        uint8x16_t levels,
        uint8x16_t query) {
    const int8x16_t a =
            vreinterpretq_s8_u8(is_l2 ? vabdq_u8(levels, query) : levels);
    const int8x16_t b = is_l2 ? a : vreinterpretq_s8_u8(query);
    sums = vpadalq_s16(sums, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sums, vmull_high_s8(a, b));
}

template <bool is_l2>
void compare_level_rows(
        const PlanesView& planes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const size_t code_size = planes.plane_offsets[planes.nplanes];
    for (int begin = 0; begin < planes.dim; begin += kLevelSlice) {
        const int end = clamp(begin + kLevelSlice, 0, planes.dim);
        uint8x16_t rows[kLevelSlice / 16];
        const int32_t bias =
                load_query_slice<is_l2>(planes, query, begin, rows);
        for (size_t k = 0; k < n; k++) {
            const uint8_t* code = codes + k * code_size;
            int32x4_t sums = vdupq_n_s32(0);
            for (int i = begin; i < end; i += 64) {
                uint8x16_t levels[4];
                get_levels_u8x64(planes, code, i, levels);
                for (int j = 0; j < 4; j++) {
                    sums = add_level_sums<is_l2>(
                            sums, levels[j], rows[(i - begin) / 16 + j]);
                }
            }
            const int32_t sum = vaddvq_s32(sums);
            const int32_t part = is_l2 ? sum : bias - 2 * sum;
            distances[k] = begin == 0 ? part : distances[k] + part;
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
    if (planes.nplanes == 1) {
        return compare_one_plane<is_l2>(width, query, codes, n, distances);
    }
    if (planes.nplanes == 2 && width % 16 == 0) {
        return compare_two_planes<is_l2>(width, query, codes, n, distances);
    }
    compare_level_rows<is_l2>(planes, query, codes, n, distances);
}

} // namespace

} // namespace faiss_bebr
