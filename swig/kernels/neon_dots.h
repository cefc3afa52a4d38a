// Tiles of inner products over groups of levels by dot product instructions,
// included by the files that differ in the instruction.

#pragma once

#include "kernels/neon_levels.h"

namespace faiss_bebr {

namespace {

template <int lane>
struct Lane {
    static constexpr int value = lane;
};

/** NQ queries against NG groups, as many as the 32 registers hold.
 * @param Dot4  static functions
 *                  shift(query, dim)  what every sum begins with
 *                  prepare(levels)    levels as the products take them
 *                  add<lane>(sums, levels, query)
 *              of which the last adds to the sums of 4 documents the products
 *              of 4 dimensions each and the dimensions 4 lane .. of the query
 */
template <int NQ, int NG, class Dot4>
inline void dots_tile(
        int dim,
        const int8_t* queries,
        const int32_t* shifts,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    int32x4_t sums[NQ][4 * NG];
#pragma GCC unroll 8
    for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 16
        for (int r = 0; r < 4 * NG; r++) {
            sums[q][r] = vdupq_n_s32(shifts[q]);
        }
    }
    const auto add_row = [&](int i, const int8x16_t* dims, auto lane) {
#pragma GCC unroll 16
        for (int r = 0; r < 4 * NG; r++) {
            const auto docs = Dot4::prepare(vld1q_u8(
                    levels + (size_t(r / 4) * dim + i) * kGroup + r % 4 * 16));
#pragma GCC unroll 8
            for (int q = 0; q < NQ; q++) {
                sums[q][r] = Dot4::template add<decltype(lane)::value>(
                        sums[q][r], docs, dims[q]);
            }
        }
    };
    for (int i = 0; i < dim; i += 16) {
        int8x16_t dims[NQ];
#pragma GCC unroll 8
        for (int q = 0; q < NQ; q++) {
            dims[q] = load_s8x16(queries + q * dim + i, dim - i);
        }
        add_row(i, dims, Lane<0>());
        add_row(i + 4, dims, Lane<1>());
        if (i + 8 < dim) {
            add_row(i + 8, dims, Lane<2>());
            add_row(i + 12, dims, Lane<3>());
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 16
        for (int r = 0; r < 4 * NG; r++) {
            vst1q_s32(
                    dots + (q * ngroups + r / 4) * kGroup + r % 4 * 4,
                    sums[q][r]);
        }
    }
}

template <int NQ, int NG, class Dot4>
void dots_rows(
        int dim,
        const int8_t* queries,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    int32_t shifts[NQ];
    for (int q = 0; q < NQ; q++) {
        shifts[q] = Dot4::shift(queries + q * dim, dim);
    }
    size_t g = 0;
    for (; g + NG <= ngroups; g += NG) {
        dots_tile<NQ, NG, Dot4>(
                dim,
                queries,
                shifts,
                levels + g * kGroup * dim,
                ngroups,
                dots + g * kGroup);
    }
    for (; g < ngroups; g++) {
        dots_tile<NQ, 1, Dot4>(
                dim,
                queries,
                shifts,
                levels + g * kGroup * dim,
                ngroups,
                dots + g * kGroup);
    }
}

template <class Dot4>
void dots_all(
        int dim,
        const int8_t* queries,
        size_t nq,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    size_t q = 0;
    for (; q + 4 <= nq; q += 4) {
        dots_rows<4, 1, Dot4>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                dots + q * ngroups * kGroup);
    }
    for (; q < nq; q++) {
        dots_rows<1, 4, Dot4>(
                dim,
                queries + q * dim,
                levels,
                ngroups,
                dots + q * ngroups * kGroup);
    }
}

} // namespace

} // namespace faiss_bebr
