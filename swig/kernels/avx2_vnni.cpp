#include "kernels/levels.h"

#ifdef __x86_64__

#include "kernels/avx2_code_dots.h"
#include "kernels/avx2_dots.h"
#include "kernels/avx2_rows.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

inline __m256i dot4_i32x8(__m256i sums, __m256i levels, __m256i query) {
    return _mm256_dpbusd_avx_epi32(sums, levels, query);
}

} // namespace

decltype(SDCKernels::dots) get_avx2_vnni_dots() {
    return dots_all<6, dot4_i32x8>;
}

decltype(SDCKernels::code_dots) get_avx2_vnni_code_dots() {
    return code_dots_all<dot4_i32x8, dot4_i32x8>;
}

decltype(SDCKernels::row_l2sqr) get_avx2_vnni_row_l2sqr() {
    return compare_rows<true, dot4_i32x8>;
}

decltype(SDCKernels::row_product) get_avx2_vnni_row_product() {
    return compare_rows<false, dot4_i32x8>;
}

} // namespace faiss_bebr

#endif // __x86_64__
