#include "kernels/levels.h"

#ifdef __aarch64__

#include "kernels/neon_code_dots.h"
#include "kernels/neon_dots.h"

namespace faiss_bebr {

namespace {

/// levels as they are: this instruction takes unsigned by signed bytes
struct MixedDot4 {
    static int32_t shift(const int8_t*, int) {
        return 0;
    }
    static uint8x16_t prepare(uint8x16_t levels) {
        return levels;
    }
    template <int lane>
    static int32x4_t add(int32x4_t sums, uint8x16_t levels, int8x16_t query) {
        return vusdotq_laneq_s32(sums, levels, query, lane);
    }
};

inline int32x4_t dot16(int32x4_t sums, uint8x16_t levels, int8x16_t query) {
    return vusdotq_s32(sums, levels, query);
}

} // namespace

decltype(SDCKernels::dots) get_neon_i8mm_dots() {
    return dots_all<MixedDot4>;
}

decltype(SDCKernels::code_dots) get_neon_i8mm_code_dots() {
    return code_dots_all<dot16, true>;
}

} // namespace faiss_bebr

#endif // __aarch64__
