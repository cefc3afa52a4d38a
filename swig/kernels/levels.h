#pragma once

#include "kernels/SDCKernels.h"
#include "kernels/TableKernels.h"

// What each file of this folder offers to dispatch.cpp.

namespace faiss_bebr {

extern const SDCKernels plain_kernels;
extern const TableKernels plain_table_kernels;
extern const TableKernels plain_table_kernels_of_4_bits;

#if defined(__x86_64__)
extern const SDCKernels avx2_kernels;
extern const TableKernels avx2_table_kernels;
extern const SDCKernels avx512_kernels;
extern const TableKernels avx512_vbmi_table_kernels;
/// the dots of avx2_kernels with AVX-VNNI
decltype(SDCKernels::dots) get_avx2_vnni_dots();
decltype(SDCKernels::code_dots) get_avx2_vnni_code_dots();
decltype(SDCKernels::row_l2sqr) get_avx2_vnni_row_l2sqr();
decltype(SDCKernels::row_product) get_avx2_vnni_row_product();
/// the dots of avx512_kernels with VNNI, the Hamming distances with VPOPCNTDQ
decltype(SDCKernels::dots) get_avx512_vnni_dots();
decltype(SDCKernels::code_dots) get_avx512_vnni_code_dots();
decltype(SDCKernels::row_l2sqr) get_avx512_vnni_row_l2sqr();
decltype(SDCKernels::row_product) get_avx512_vnni_row_product();
decltype(SDCKernels::hamming) get_avx512_vpopcntdq_hamming();
/// with both of them, VBMI and GFNI
decltype(SDCKernels::code_dots) get_avx512_gfni_code_dots();
decltype(SDCKernels::row_l2sqr) get_avx512_gfni_row_l2sqr();
decltype(SDCKernels::row_product) get_avx512_gfni_row_product();
#elif defined(__aarch64__)
extern const SDCKernels neon_kernels;
extern const TableKernels neon_table_kernels;
/// what the dot product of signed bytes makes faster
decltype(SDCKernels::dots) get_neon_dotprod_dots();
decltype(SDCKernels::level_sums) get_neon_dotprod_level_sums();
decltype(SDCKernels::code_dots) get_neon_dotprod_code_dots();
/// the dots with the product of unsigned and signed bytes
decltype(SDCKernels::dots) get_neon_i8mm_dots();
decltype(SDCKernels::code_dots) get_neon_i8mm_code_dots();
#endif

} // namespace faiss_bebr
