// Keys of documents, and those below a threshold.

#pragma once

#include "kernels/SDCKernels.h"

#include <arm_neon.h>

namespace faiss_bebr {

namespace {

/// 4 bits for each of 16 comparisons, of which the uppermost is kept
inline uint64_t get_mask(const uint32x4_t is_hit[4]) {
    const uint16x8_t low =
            vcombine_u16(vmovn_u32(is_hit[0]), vmovn_u32(is_hit[1]));
    const uint16x8_t high =
            vcombine_u16(vmovn_u32(is_hit[2]), vmovn_u32(is_hit[3]));
    const uint8x16_t bytes = vcombine_u8(vmovn_u16(low), vmovn_u16(high));
    const uint8x8_t bits = vshrn_n_u16(vreinterpretq_u16_u8(bytes), 4);
    return vget_lane_u64(vreinterpret_u64_u8(bits), 0) & 0x8888888888888888;
}

/// store the number and the key of each of 16 documents that `mask` has
template <class T>
inline size_t store_hits(
        uint64_t mask,
        size_t j,
        const T* lanes,
        size_t nhits,
        uint32_t* hits,
        T* keys) {
    for (; mask != 0; mask &= mask - 1) {
        const int lane = __builtin_ctzll(mask) / 4;
        hits[nhits] = static_cast<uint32_t>(j + lane);
        keys[nhits++] = lanes[lane];
    }
    return nhits;
}

size_t collect_float(
        const FloatKey& key,
        const int32_t* dots,
        size_t n,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const float32x4_t scale = vdupq_n_f32(key.scale);
    const int32x4_t shift = vdupq_n_s32(key.shift);
    const float32x4_t limit = vdupq_n_f32(threshold);
    size_t nhits = 0;
    for (size_t j = 0; j < n; j += 16) {
        float32x4_t values[4];
        uint32x4_t is_hit[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            const size_t k = j + 4 * r;
            float32x4_t bias = vdupq_n_f32(key.bias);
            if (key.doc_bias) {
                bias = vaddq_f32(bias, vld1q_f32(key.doc_bias + k));
            }
            const int32x4_t dot = vld1q_s32(dots + k);
            const float32x4_t product =
                    vcvtq_f32_s32(vsubq_s32(vaddq_s32(dot, dot), shift));
            values[r] = vaddq_f32(
                    bias,
                    vmulq_f32(
                            vld1q_f32(key.doc_scale + k),
                            vmulq_f32(scale, product)));
            is_hit[r] = vcltq_f32(values[r], limit);
        }
        const uint64_t mask = get_mask(is_hit);
        if (mask) {
            float lanes[16];
            for (int r = 0; r < 4; r++) {
                vst1q_f32(lanes + 4 * r, values[r]);
            }
            nhits = store_hits(mask, j, lanes, nhits, hits, keys);
        }
    }
    return nhits;
}

size_t collect_int(
        const IntKey& key,
        const int32_t* dots,
        size_t n,
        int32_t threshold,
        uint32_t* hits,
        int32_t* keys) {
    const int32x4_t scale = vdupq_n_s32(key.scale);
    const int32x4_t limit = vdupq_n_s32(threshold);
    size_t nhits = 0;
    for (size_t j = 0; j < n; j += 16) {
        int32x4_t values[4];
        uint32x4_t is_hit[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) {
            const size_t k = j + 4 * r;
            int32x4_t bias = vdupq_n_s32(key.bias);
            if (key.doc_bias) {
                bias = vaddq_s32(bias, vld1q_s32(key.doc_bias + k));
            }
            values[r] = vmlaq_s32(bias, scale, vld1q_s32(dots + k));
            is_hit[r] = vcltq_s32(values[r], limit);
        }
        const uint64_t mask = get_mask(is_hit);
        if (mask) {
            int32_t lanes[16];
            for (int r = 0; r < 4; r++) {
                vst1q_s32(lanes + 4 * r, values[r]);
            }
            nhits = store_hits(mask, j, lanes, nhits, hits, keys);
        }
    }
    return nhits;
}

} // namespace

} // namespace faiss_bebr
