#include "kernels/levels.h"

#ifdef __aarch64__

#include "kernels/neon_code_dots.h"
#include "kernels/neon_code_sums.h"
#include "kernels/neon_collect.h"
#include "kernels/neon_hamming.h"
#include "kernels/neon_levels.h"
#include "kernels/neon_products.h"
#include "kernels/neon_rows.h"

#include <cstring>

namespace faiss_bebr {

namespace {

/// rows of 4 32-bit words become columns
inline void transpose_u32x4(uint32x4_t rows[4]) {
    const uint64x2_t t0 = vreinterpretq_u64_u32(vtrn1q_u32(rows[0], rows[1]));
    const uint64x2_t t1 = vreinterpretq_u64_u32(vtrn2q_u32(rows[0], rows[1]));
    const uint64x2_t t2 = vreinterpretq_u64_u32(vtrn1q_u32(rows[2], rows[3]));
    const uint64x2_t t3 = vreinterpretq_u64_u32(vtrn2q_u32(rows[2], rows[3]));
    rows[0] = vreinterpretq_u32_u64(vtrn1q_u64(t0, t2));
    rows[1] = vreinterpretq_u32_u64(vtrn1q_u64(t1, t3));
    rows[2] = vreinterpretq_u32_u64(vtrn2q_u64(t0, t2));
    rows[3] = vreinterpretq_u32_u64(vtrn2q_u64(t1, t3));
}

void unpack_group(
        const PlanesView& planes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* levels) {
    for (int i = 0; i < planes.dim; i += 64) {
        for (size_t first = 0; first < kGroup; first += 4) {
            uint8x16_t docs[4][4];
            for (size_t k = 0; k < 4; k++) {
                if (first + k < n) {
                    get_levels_u8x64(planes, codes[first + k], i, docs[k]);
                } else {
                    for (int j = 0; j < 4; j++) {
                        docs[k][j] = vdupq_n_u8(0);
                    }
                }
            }
            for (int j = 0; j < 4; j++) {
                uint32x4_t rows[4];
                for (int k = 0; k < 4; k++) {
                    rows[k] = vreinterpretq_u32_u8(docs[k][j]);
                }
                transpose_u32x4(rows);
                const int dim = i + 16 * j;
                const int nrows = clamp((planes.dim - dim) / 4, 0, 4);
                for (int r = 0; r < nrows; r++) {
                    vst1q_u8(
                            levels + (dim + 4 * r) * kGroup + 4 * first,
                            vreinterpretq_u8_u32(rows[r]));
                }
            }
        }
    }
}

/** NQ queries against one group. Products are added up in 16 bits first.
 * @param is_high  levels above 127 occur, and all are taken as c - 128
 * @param nrows    as many rows as the 16 bits hold
 * @param shifts   what the sums of each query begin with
 */
template <int NQ, bool is_high>
inline void dots_tile(
        int dim,
        const int8_t* queries,
        const int32_t* shifts,
        const uint8_t* group,
        int nrows,
        size_t ngroups,
        int32_t* dots) {
    int32x4_t sums[NQ][8];
    for (int q = 0; q < NQ; q++) {
        for (int32x4_t& sum : sums[q]) {
            sum = vdupq_n_s32(0);
        }
    }
    for (int begin = 0; begin < dim; begin += 4 * nrows) {
        const int end = clamp(begin + 4 * nrows, 0, dim);
        int16x8_t parts[NQ][8];
#pragma GCC unroll 2
        for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++) {
                parts[q][r] = vdupq_n_s16(0);
            }
        }
        for (int i = begin; i < end; i += 4) {
            int8x16_t dims[NQ];
#pragma GCC unroll 2
            for (int q = 0; q < NQ; q++) {
                int32_t word;
                std::memcpy(&word, queries + q * dim + i, 4);
                dims[q] = vreinterpretq_s8_s32(vdupq_n_s32(word));
            }
#pragma GCC unroll 4
            for (int r = 0; r < 4; r++) {
                const uint8x16_t row = vld1q_u8(group + i * kGroup + 16 * r);
                const int8x16_t docs =
                        vreinterpretq_s8_u8(is_high ? minus_128(row) : row);
#pragma GCC unroll 2
                for (int q = 0; q < NQ; q++) {
                    int16x8_t* part = parts[q] + 2 * r;
                    part[0] = vmlal_s8(
                            part[0], vget_low_s8(docs), vget_low_s8(dims[q]));
                    part[1] = vmlal_high_s8(part[1], docs, dims[q]);
                }
            }
        }
#pragma GCC unroll 2
        for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++) {
                sums[q][r] = vpadalq_s16(sums[q][r], parts[q][r]);
            }
        }
    }
    for (int q = 0; q < NQ; q++) {
        for (int r = 0; r < 4; r++) {
            vst1q_s32(
                    dots + q * ngroups * kGroup + 4 * r,
                    vaddq_s32(
                            vpaddq_s32(sums[q][2 * r], sums[q][2 * r + 1]),
                            vdupq_n_s32(shifts[q])));
        }
    }
}

uint8_t max_level(const uint8_t* levels, size_t n) {
    uint8x16_t max = vdupq_n_u8(0);
    for (size_t i = 0; i < n; i += 16) {
        max = vmaxq_u8(max, vld1q_u8(levels + i));
    }
    return vmaxvq_u8(max);
}

/// @param nrows  as in dots_tile, 0 for levels above 127
template <int NQ>
void dots_rows(
        int dim,
        const int8_t* queries,
        const uint8_t* levels,
        size_t ngroups,
        int nrows,
        int32_t* dots) {
    int32_t no_shifts[NQ] = {0};
    int32_t shifts[NQ];
    for (int q = 0; q < NQ; q++) {
        shifts[q] = 128 * sum_of_bytes(queries + q * dim, dim);
    }
    for (size_t g = 0; g < ngroups; g++) {
        const uint8_t* group = levels + g * kGroup * dim;
        int32_t* out = dots + g * kGroup;
        if (nrows > 0) {
            dots_tile<NQ, false>(
                    dim, queries, no_shifts, group, nrows, ngroups, out);
        } else {
            // -128 * -128 fits once
            dots_tile<NQ, true>(dim, queries, shifts, group, 1, ngroups, out);
        }
    }
}

void dots(
        int dim,
        const int8_t* queries,
        size_t nq,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    const int max = max_level(levels, ngroups * kGroup * dim);
    // how many products with -128 16 bits hold
    const int nrows = max < 128 ? 32767 / (128 * (max > 0 ? max : 1)) : 0;
    size_t q = 0;
    for (; q + 2 <= nq; q += 2) {
        dots_rows<2>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                nrows,
                dots + q * ngroups * kGroup);
    }
    for (; q < nq; q++) {
        dots_rows<1>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                nrows,
                dots + q * ngroups * kGroup);
    }
}

void level_sums(
        int dim,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* sums,
        int32_t* squares) {
    for (size_t j = 0; j < ngroups * kGroup; j += 4) {
        const uint8_t* column =
                levels + j / kGroup * kGroup * dim + 4 * (j % kGroup);
        uint32x4_t sum = vdupq_n_u32(0);
        uint32x4_t low = vdupq_n_u32(0);
        uint32x4_t high = vdupq_n_u32(0);
        for (int i = 0; i < dim; i += 4) {
            const uint8x16_t row = vld1q_u8(column + i * kGroup);
            const uint8x8_t half = vget_low_u8(row);
            sum = vpadalq_u16(sum, vpaddlq_u8(row));
            low = vpadalq_u16(low, vmull_u8(half, half));
            high = vpadalq_u16(high, vmull_high_u8(row, row));
        }
        vst1q_s32(sums + j, vreinterpretq_s32_u32(sum));
        vst1q_s32(squares + j, vreinterpretq_s32_u32(vpaddq_u32(low, high)));
    }
}

inline int32x4_t dot16_low(int32x4_t sums, uint8x16_t levels, int8x16_t query) {
    const int8x16_t c = vreinterpretq_s8_u8(levels);
    sums = vpadalq_s16(sums, vmull_s8(vget_low_s8(c), vget_low_s8(query)));
    return vpadalq_s16(sums, vmull_high_s8(c, query));
}

} // namespace

const SDCKernels neon_kernels = {
        "ARM_NEON",
        unpack_group,
        dots,
        level_sums,
        code_dots_all<dot16_low, false>,
        compare_rows<true>,
        compare_rows<false>,
        code_norm,
        code_product,
        code_l2sqr,
        multiply<ProductTiles<true>>,
        multiply<ProductTiles<false>>,
        double_product,
        hamming,
        collect_float,
        collect_int};

} // namespace faiss_bebr

#endif // __aarch64__
