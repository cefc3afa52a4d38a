// Inner products straight from packed codes, included by the files that differ
// in how they add up products.

#pragma once

#include "kernels/neon_levels.h"

namespace faiss_bebr {

namespace {

/** @param dot16     adds 16 products of levels and a query to four sums
 *  @param is_whole  all of the dimensions i .. i + 63 exist
 */
template <int32x4_t (*dot16)(int32x4_t, uint8x16_t, int8x16_t), bool is_whole>
inline void add_dots_of_64(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* code,
        uint8x16_t flip,
        int i,
        int32x4_t sums[4]) {
    uint8x16_t levels[4];
    get_levels_u8x64(planes, code, i, levels);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        const int k = i + 16 * j;
        if (is_whole || k < planes.dim) {
            const int8x16_t dims = is_whole
                    ? vld1q_s8(query + k)
                    : load_s8x16(query + k, planes.dim - k);
            sums[j] = dot16(sums[j], veorq_u8(levels[j], flip), dims);
        }
    }
}

/** @param dot16      takes levels below 128, or -128 .. 127, unless takes_255
 *  @param takes_255  it takes any level
 */
template <int32x4_t (*dot16)(int32x4_t, uint8x16_t, int8x16_t), bool takes_255>
void code_dots_all(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    // levels c are taken as c - 128, and that makes up for it
    const bool is_shifted = planes.nplanes == 8 && !takes_255;
    const uint8x16_t flip = vdupq_n_u8(is_shifted ? 0x80 : 0);
    const int32_t shift =
            is_shifted ? 128 * sum_of_bytes(query, planes.dim) : 0;
    for (size_t k = 0; k < n; k++) {
        int32x4_t sums[4];
        for (int j = 0; j < 4; j++) {
            sums[j] = vdupq_n_s32(0);
        }
        int i = 0;
        for (; i + 64 <= planes.dim; i += 64) {
            add_dots_of_64<dot16, true>(planes, query, codes[k], flip, i, sums);
        }
        if (i < planes.dim) {
            add_dots_of_64<dot16, false>(
                    planes, query, codes[k], flip, i, sums);
        }
        dots[k] = shift +
                vaddvq_s32(vaddq_s32(
                        vaddq_s32(sums[0], sums[1]),
                        vaddq_s32(sums[2], sums[3])));
    }
}

} // namespace

} // namespace faiss_bebr
