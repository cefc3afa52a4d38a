// Levels from bit planes with 128-bit registers, included by the files that
// are compiled for them.

#pragma once

#include "kernels/SDCKernels.h"
#include "kernels/bits.h"

#include <arm_neon.h>

namespace faiss_bebr {

namespace {

/** Levels of the dimensions i .. i + 63; those past the last one are 0.
 * @param levels  output, dimension i + 16 j + k in byte k of register j
 */
inline void get_levels_u8x64(
        const PlanesView& planes,
        const uint8_t* code,
        int i,
        uint8x16_t levels[4]) {
    const uint8x16_t bit_of_lane =
            vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    const uint8x16_t byte_of_lane = vreinterpretq_u8_u64(
            vcombine_u64(vcreate_u64(0), vcreate_u64(0x0101010101010101)));
    for (int j = 0; j < 4; j++) {
        levels[j] = vdupq_n_u8(0);
    }
    for (int t = 0; t < planes.nplanes; t++) {
        const int nbytes = clamp((planes.plane_widths[t] - i) / 8, 0, 8);
        const uint64_t bits = load_bits<uint64_t>(
                code + planes.plane_offsets[t] + i / 8, nbytes);
        const uint8x16_t bytes = vreinterpretq_u8_u64(vdupq_n_u64(bits));
        const uint8x16_t weight =
                vdupq_n_u8(static_cast<uint8_t>(1 << (planes.nplanes - 1 - t)));
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            const uint8x16_t spread = vqtbl1q_u8(
                    bytes,
                    vaddq_u8(
                            byte_of_lane,
                            vdupq_n_u8(static_cast<uint8_t>(2 * j))));
            levels[j] = vorrq_u8(
                    levels[j], vandq_u8(vtstq_u8(spread, bit_of_lane), weight));
        }
    }
}

/// bytes p[0] .. p[15], of which n (8, 16 ...) may be read; zeros for others
inline int8x16_t load_s8x16(const int8_t* p, int n) {
    return n >= 16 ? vld1q_s8(p) : vcombine_s8(vld1_s8(p), vdup_n_s8(0));
}

inline int32_t sum_of_bytes(const int8_t* bytes, int n) {
    int32x4_t sums = vdupq_n_s32(0);
    for (int i = 0; i < n; i += 16) {
        sums = vpadalq_s16(sums, vpaddlq_s8(load_s8x16(bytes + i, n - i)));
    }
    return vaddvq_s32(sums);
}

/// levels c as the signed bytes c - 128
inline uint8x16_t minus_128(uint8x16_t levels) {
    return veorq_u8(levels, vdupq_n_u8(0x80));
}

} // namespace

} // namespace faiss_bebr
