// Codes that lie side by side, with 128-bit registers.

#pragma once

#include "kernels/table_hits.h"

#include <arm_neon.h>

namespace faiss_bebr {

namespace {

/// documents of a register, a quarter of a group
constexpr size_t kRegister = kColumn / 4;

inline uint8x16_t load_bytes(const uint8_t* bytes) {
    return vld1q_u8(bytes);
}

/// Sums of 16 bits of two documents: the odd one's, and with it in the upper
/// half that of the even one.
struct PairSums {
    uint16x8_t odd = vdupq_n_u16(0);
    uint16x8_t both = vdupq_n_u16(0);

    /// @param sum  of the entries of a triple, of each document
    void add(uint8x16_t sum) {
        const uint16x8_t pairs = vreinterpretq_u16_u8(sum);
        both = vaddq_u16(both, pairs);
        odd = vsraq_n_u16(odd, pairs, 8);
    }
    /// @param sums  of the group, and the quarter's number times 8 more
    void store(uint16_t* sums) const {
        vst1q_u16(sums, vsubq_u16(both, vshlq_n_u16(odd, 8)));
        vst1q_u16(sums + kColumn / 2, odd);
    }
};

/// The upper and lower four bits of three rows.
struct TripleIndex {
    uint8x16_t low[3], high[3];

    TripleIndex(uint8x16_t a, uint8x16_t b, uint8x16_t c) {
        const uint8x16_t rows[3] = {a, b, c};
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) {
            low[i] = vandq_u8(rows[i], vdupq_n_u8(15));
            high[i] = vshrq_n_u8(rows[i], 4);
        }
    }

    /// what the tables of the triple have, at most 255
    uint8x16_t look_up(const uint8_t* tables) const {
        uint8x16_t sums[3];
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) {
            sums[i] = vqaddq_u8(
                    vqtbl1q_u8(vld1q_u8(tables + 32 * i), low[i]),
                    vqtbl1q_u8(vld1q_u8(tables + 32 * i + 16), high[i]));
        }
        return vqaddq_u8(vqaddq_u8(sums[0], sums[1]), sums[2]);
    }
};

void sum_columns(
        size_t nbytes,
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        uint16_t* sums) {
    const auto load = [nbytes](const uint8_t* column, size_t byte) {
        return byte < nbytes ? vld1q_u8(column + byte * kColumn)
                             : vdupq_n_u8(0);
    };
    for (size_t g = 0; g < ngroups; g++) {
        // the processor fetches ahead within a page, which a group about is, or
        // more
        for (size_t i = 0; i < nbytes * kColumn; i += kColumn) {
            __builtin_prefetch(columns + stride + i);
        }
        for (size_t k = 0; k < 4; k++) {
            const uint8_t* column = columns + k * kRegister;
            const uint8_t* tables = table;
            PairSums pairs;
            for (size_t byte = 0; byte < nbytes; byte += 3) {
                const TripleIndex index(
                        load(column, byte),
                        load(column, byte + 1),
                        load(column, byte + 2));
                pairs.add(index.look_up(tables));
                tables += get_triple_size(4);
            }
            pairs.store(sums + k * kRegister / 2);
        }
        columns += stride;
        sums += kColumn;
    }
}

/** Numbers of 16 bits in the order of sums, eight times 8 documents.
 * @param columns   of the low bytes, and 64 bytes behind of the high ones
 * @param has_high  whether there are such; else they are 0
 */
inline void load_numbers(
        const uint8_t* columns,
        bool has_high,
        uint16x8_t numbers[8]) {
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; k++) {
        const uint8_t* column = columns + k * kRegister;
        const uint16x8_t low = vreinterpretq_u16_u8(vld1q_u8(column));
        const uint16x8_t high = vreinterpretq_u16_u8(
                has_high ? vld1q_u8(column + kColumn) : vdupq_n_u8(0));
        numbers[k] = vsliq_n_u16(low, high, 8);
        numbers[4 + k] = vsriq_n_u16(high, low, 8);
    }
}

void decode_float16(
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        float* values) {
    for (size_t g = 0; g < ngroups; g++) {
        uint16x8_t halves[8];
        load_numbers(columns, true, halves);
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) {
            const float16x8_t x = vreinterpretq_f16_u16(
                    vandq_u16(halves[i], vdupq_n_u16(0x7fff)));
            vst1q_f32(values + 8 * i, vcvt_f32_f16(vget_low_f16(x)));
            vst1q_f32(values + 8 * i + 4, vcvt_high_f32_f16(x));
        }
        columns += stride;
        values += kColumn;
    }
}

void look_up_floats(
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        float* values) {
    float floats[256];
    for (size_t i = 0; i < 256; i += 16) {
        uint8x16x4_t bytes;
        for (size_t k = 0; k < 4; k++) {
            bytes.val[k] = vld1q_u8(table + 256 * k + i);
        }
        vst4q_u8((uint8_t*)(floats + i), bytes);
    }
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t j = 0; j < kColumn / 2; j++) {
            values[j] = floats[columns[2 * j]];
            values[kColumn / 2 + j] = floats[columns[2 * j + 1]];
        }
        columns += stride;
        values += kColumn;
    }
}

void add_centroid_keys(
        const float* keys,
        size_t ncentroids,
        const uint8_t* columns,
        size_t stride,
        const float* scales,
        const float* norms,
        size_t ngroups,
        float* biases) {
    // numbers have 16 bits
    const uint16x8_t last = vdupq_n_u16(static_cast<uint16_t>(ncentroids - 1));
    for (size_t g = 0; g < ngroups; g++) {
        uint16x8_t numbers[8];
        load_numbers(columns, ncentroids > 256, numbers);
        const float32x4_t norm = vdupq_n_f32(norms[g]);
        for (size_t i = 0; i < 8; i++) {
            uint16_t rows[8];
            vst1q_u16(rows, vminq_u16(numbers[i], last));
            for (size_t k = 0; k < 8; k += 4) {
                const size_t j = g * kColumn + 8 * i + k;
                const float found[4] = {
                        keys[rows[k]],
                        keys[rows[k + 1]],
                        keys[rows[k + 2]],
                        keys[rows[k + 3]]};
                const float32x4_t key = vmulq_f32(
                        vld1q_f32(found),
                        scales ? vld1q_f32(scales + j) : vdupq_n_f32(1.0f));
                const float32x4_t bias = vaddq_f32(norm, key);
                const float32x4_t lost = vmulq_f32(
                        vdupq_n_f32(kRoundingOfBounds), vabsq_f32(bias));
                vst1q_f32(biases + j, vsubq_f32(bias, lost));
            }
        }
        columns += stride;
    }
}

size_t find_open(
        const SumBound& bound,
        const uint16_t* sums,
        const float* scales,
        const float* biases,
        size_t ngroups,
        uint32_t* hits) {
    const float32x4_t gap = vdupq_n_f32(bound.gap);
    const float32x4_t product = vdupq_n_f32(bound.product);
    const float32x4_t step = vdupq_n_f32(bound.step);
    const uint32x4_t bits = {1, 2, 4, 8};
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        uint64_t open = 0;
        for (size_t i = 0; i < 16; i++) {
            const size_t j = g * kColumn + 4 * i;
            const float32x4_t sum =
                    vcvtq_f32_u32(vmovl_u16(vld1_u16(sums + j)));
            const float32x4_t left = vsubq_f32(product, vmulq_f32(step, sum));
            const float32x4_t term = vmulq_f32(vld1q_f32(scales + j), left);
            const float32x4_t least =
                    biases ? vaddq_f32(gap, vld1q_f32(biases + j)) : gap;
            // NaN is open
            const uint32x4_t is_open = vmvnq_u32(vcgeq_f32(least, term));
            open |= uint64_t(vaddvq_u32(vandq_u32(is_open, bits))) << 4 * i;
        }
        if (open != 0) {
            nhits += store_hits(
                    g,
                    static_cast<uint32_t>(open),
                    static_cast<uint32_t>(open >> 32),
                    hits + nhits);
        }
    }
    return nhits;
}

size_t find_below_numbered(
        const uint16_t* sums,
        const uint16_t* limits,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        uint32_t* hits) {
    const uint16x8_t bits = {1, 2, 4, 8, 16, 32, 64, 128};
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        uint16_t own[kColumn];
        for (size_t j = 0; j < kColumn / 2; j++) {
            own[j] = limits[columns[2 * j]];
            own[kColumn / 2 + j] = limits[columns[2 * j + 1]];
        }
        uint64_t below = 0;
        for (size_t j = 0; j < kColumn; j += 8) {
            const uint16x8_t is_below = vcltq_u16(
                    vld1q_u16(sums + g * kColumn + j), vld1q_u16(own + j));
            below |= uint64_t(vaddvq_u16(vandq_u16(is_below, bits))) << j;
        }
        if (below != 0) {
            nhits += store_hits(
                    g,
                    static_cast<uint32_t>(below),
                    static_cast<uint32_t>(below >> 32),
                    hits + nhits);
        }
        columns += stride;
    }
    return nhits;
}

} // namespace

} // namespace faiss_bebr
