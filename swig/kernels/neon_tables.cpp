#include "kernels/levels.h"

#ifdef __aarch64__

#include "kernels/neon_columns.h"

// which needs these
#include "kernels/four_bit_sums.h"

#include <arm_neon.h>

#include <cstring>

namespace faiss_bebr {

namespace {

/// 16 rows of bytes become columns
inline void transpose_u8x16(uint8x16_t rows[16]) {
    uint8x16_t t[16];
    for (int round = 0; round < 2; round++) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            t[2 * i] = vzip1q_u8(rows[i], rows[i + 8]);
            t[2 * i + 1] = vzip2q_u8(rows[i], rows[i + 8]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            rows[2 * i] = vzip1q_u8(t[i], t[i + 8]);
            rows[2 * i + 1] = vzip2q_u8(t[i], t[i + 8]);
        }
    }
}

/// at most 16 bytes, zeros for the others
inline uint8x16_t load_sixteen(const uint8_t* bytes, size_t n) {
    if (n >= 16) {
        return vld1q_u8(bytes);
    }
    uint8_t padded[16] = {0};
    std::memcpy(padded, bytes, n);
    return vld1q_u8(padded);
}

void transpose(
        size_t nbytes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* rows) {
    std::memset(rows, 0, get_num_code_rows(4, nbytes) * kColumn);
    for (size_t i = 0; i < nbytes; i += 16) {
        const size_t left = nbytes - i < 16 ? nbytes - i : 16;
        for (size_t first = 0; first < n; first += kRegister) {
            uint8x16_t bytes[16];
            for (size_t k = 0; k < 16; k++) {
                bytes[k] = first + k < n
                        ? load_sixteen(codes[first + k] + i, left)
                        : vdupq_n_u8(0);
            }
            transpose_u8x16(bytes);
            for (size_t k = 0; k < left; k++) {
                vst1q_u8(rows + (i + k) * kColumn + first, bytes[k]);
            }
        }
    }
}

void make_tables(
        size_t nbytes,
        const int16_t* weights,
        float factor,
        uint8_t* tables) {
    // of the first 8 entries, those for which a bit of their number is set;
    // the others have the same lower bits, and the fourth one
    const uint16x8_t is_set[3] = {
            {0, 0xffff, 0, 0xffff, 0, 0xffff, 0, 0xffff},
            {0, 0, 0xffff, 0xffff, 0, 0, 0xffff, 0xffff},
            {0, 0, 0, 0, 0xffff, 0xffff, 0xffff, 0xffff}};
    const float32x4_t scale = vdupq_n_f32(factor);
    for (size_t byte = 0; byte < 3 * get_num_triples(nbytes); byte++) {
        const int16_t* own = weights + byte / 3 * kTripleWeights + byte % 3 * 8;
        for (int half = 0; half < 2; half++) {
            const int16x4_t w = vld1_s16(own + 4 * half);
            const float32x4_t magnitude = vcvtq_f32_s32(vmovl_s16(vabs_s16(w)));
            uint16_t steps[4], flips[4];
            vst1_u16(
                    steps,
                    vqmovn_u32(vcvtq_u32_f32(vmulq_f32(magnitude, scale))));
            // of a positive weight, entries without the bit
            vst1_u16(flips, vcgt_s16(w, vdup_n_s16(0)));
            uint16x8_t low = vdupq_n_u16(0);
            for (int i = 0; i < 3; i++) {
                const uint16x8_t mask =
                        veorq_u16(is_set[i], vdupq_n_u16(flips[i]));
                low = vqaddq_u16(low, vandq_u16(mask, vdupq_n_u16(steps[i])));
            }
            const uint16x8_t last = vdupq_n_u16(steps[3]);
            const bool is_positive = flips[3] != 0;
            const uint16x8_t with_last = vqaddq_u16(low, last);
            vst1_u8(tables, vshrn_n_u16(is_positive ? with_last : low, 8));
            vst1_u8(tables + 8, vshrn_n_u16(is_positive ? low : with_last, 8));
            tables += 16;
        }
    }
}

size_t find_below(
        const uint16_t* sums,
        const int32_t* limits,
        size_t ngroups,
        uint32_t* hits) {
    const uint16x8_t bits = {1, 2, 4, 8, 16, 32, 64, 128};
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        if (limits[g] <= 0) {
            continue;
        }
        const int32_t most = limits[g] <= 65535 ? limits[g] - 1 : 65535;
        const uint16x8_t limit = vdupq_n_u16(static_cast<uint16_t>(most));
        uint64_t below = 0;
        for (size_t i = 0; i < 8; i++) {
            const uint16x8_t x = vld1q_u16(sums + g * kColumn + 8 * i);
            const uint16x8_t is_below = vcleq_u16(x, limit);
            below |= uint64_t(vaddvq_u16(vandq_u16(is_below, bits))) << 8 * i;
        }
        if (below != 0) {
            nhits += store_hits(
                    g,
                    static_cast<uint32_t>(below),
                    static_cast<uint32_t>(below >> 32),
                    hits + nhits);
        }
    }
    return nhits;
}

} // namespace

const TableKernels neon_table_kernels = {
        4,
        transpose,
        make_tables,
        sum_tables,
        find_below,
        sum_columns,
        decode_float16,
        look_up_floats,
        add_centroid_keys,
        find_open,
        find_below_numbered};

} // namespace faiss_bebr

#endif // __aarch64__
