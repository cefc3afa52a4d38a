#pragma once

#include "kernels/SDCKernels.h"
#include "kernels/TableKernels.h"

// What each file of this folder offers to dispatch.cpp.

namespace faiss_bebr {

extern const SDCKernels plain_kernels;
extern const TableKernels plain_table_kernels;

#ifdef __x86_64__
extern const SDCKernels avx2_kernels;
extern const SDCKernels avx512_kernels;
extern const TableKernels avx512_vbmi_table_kernels;
/// the dots of avx512_kernels with VNNI, the hamming with VPOPCNTDQ
decltype(SDCKernels::dots) get_avx512_vnni_dots();
decltype(SDCKernels::code_dots) get_avx512_vnni_code_dots();
decltype(SDCKernels::hamming) get_avx512_vpopcntdq_hamming();
#endif

} // namespace faiss_bebr
