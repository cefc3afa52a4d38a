#include "kernels/levels.h"

#ifdef __x86_64__

#include <immintrin.h>

namespace faiss_bebr {

namespace {

inline __m512i dot4_i32x16(__m512i sums, __m512i levels, __m512i query) {
    return _mm512_dpbusd_epi32(sums, levels, query);
}

inline __m512i dot4_low_i32x16(__m512i sums, __m512i levels, __m512i query) {
    return dot4_i32x16(sums, levels, query);
}

} // namespace

} // namespace faiss_bebr

#include "kernels/avx512_code_dots.h"
#include "kernels/avx512_dots.h"
#include "kernels/avx512_popcount.h"
#include "kernels/avx512_rows.h"

namespace faiss_bebr {

decltype(SDCKernels::dots) get_avx512_vnni_dots() {
    return dots;
}

decltype(SDCKernels::code_dots) get_avx512_vnni_code_dots() {
    return code_dots;
}

decltype(SDCKernels::row_l2sqr) get_avx512_vnni_row_l2sqr() {
    return compare_rows<true>;
}

decltype(SDCKernels::row_product) get_avx512_vnni_row_product() {
    return compare_rows<false>;
}

} // namespace faiss_bebr

#endif // __x86_64__
