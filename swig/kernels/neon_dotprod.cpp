#include "kernels/levels.h"

#ifdef __aarch64__

#include "kernels/neon_code_dots.h"
#include "kernels/neon_dots.h"

namespace faiss_bebr {

namespace {

/** Both factors of this instruction are signed, so levels are taken as
 * c - 128 and every sum begins with 128 times the sum of the query.
 */
struct SignedDot4 {
    static int32_t shift(const int8_t* query, int dim) {
        return 128 * sum_of_bytes(query, dim);
    }
    static int8x16_t prepare(uint8x16_t levels) {
        return vreinterpretq_s8_u8(minus_128(levels));
    }
    template <int lane>
    static int32x4_t add(int32x4_t sums, int8x16_t levels, int8x16_t query) {
        return vdotq_laneq_s32(sums, levels, query, lane);
    }
};

inline int32x4_t dot16_low(int32x4_t sums, uint8x16_t levels, int8x16_t query) {
    return vdotq_s32(sums, vreinterpretq_s8_u8(levels), query);
}

void level_sums(
        int dim,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* sums,
        int32_t* squares) {
    const uint8x16_t ones = vdupq_n_u8(1);
    for (size_t j = 0; j < ngroups * kGroup; j += 4) {
        const uint8_t* column =
                levels + j / kGroup * kGroup * dim + 4 * (j % kGroup);
        uint32x4_t sum = vdupq_n_u32(0);
        uint32x4_t square = vdupq_n_u32(0);
        for (int i = 0; i < dim; i += 4) {
            const uint8x16_t row = vld1q_u8(column + i * kGroup);
            sum = vdotq_u32(sum, row, ones);
            square = vdotq_u32(square, row, row);
        }
        vst1q_s32(sums + j, vreinterpretq_s32_u32(sum));
        vst1q_s32(squares + j, vreinterpretq_s32_u32(square));
    }
}

} // namespace

decltype(SDCKernels::dots) get_neon_dotprod_dots() {
    return dots_all<SignedDot4>;
}

decltype(SDCKernels::level_sums) get_neon_dotprod_level_sums() {
    return level_sums;
}

decltype(SDCKernels::code_dots) get_neon_dotprod_code_dots() {
    return code_dots_all<dot16_low, false>;
}

} // namespace faiss_bebr

#endif // __aarch64__
