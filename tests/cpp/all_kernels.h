#pragma once

#include "kernels/levels.h"
#include "test_data.h"

#include <utility>
#include <vector>

#ifdef __aarch64__
#include <sys/auxv.h>
#endif

namespace test {

using namespace faiss_bebr;

/// the kernels of every instruction set that this processor has
inline std::vector<SDCKernels> get_all_kernels() {
    std::vector<SDCKernels> all = {plain_kernels};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        all.push_back(avx2_kernels);
        if (__builtin_cpu_supports("avxvnni")) {
            all.push_back(avx2_kernels);
            all.back().name = "AVX2 with VNNI";
            all.back().dots = get_avx2_vnni_dots();
            all.back().code_dots = get_avx2_vnni_code_dots();
            all.back().row_l2sqr = get_avx2_vnni_row_l2sqr();
            all.back().row_product = get_avx2_vnni_row_product();
        }
    }
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
        all.push_back(avx512_kernels);
        if (__builtin_cpu_supports("avx512vnni")) {
            all.push_back(avx512_kernels);
            all.back().name = "AVX512 with VNNI";
            all.back().dots = get_avx512_vnni_dots();
            all.back().code_dots = get_avx512_vnni_code_dots();
            all.back().row_l2sqr = get_avx512_vnni_row_l2sqr();
            all.back().row_product = get_avx512_vnni_row_product();
        }
        if (__builtin_cpu_supports("avx512vpopcntdq")) {
            all.push_back(avx512_kernels);
            all.back().name = "AVX512 with VPOPCNTDQ";
            all.back().hamming = get_avx512_vpopcntdq_hamming();
        }
        if (__builtin_cpu_supports("avx512vnni") &&
            __builtin_cpu_supports("avx512vpopcntdq") &&
            __builtin_cpu_supports("avx512vbmi") &&
            __builtin_cpu_supports("gfni")) {
            all.push_back(avx512_kernels);
            all.back().name = "AVX512 with GFNI";
            all.back().code_dots = get_avx512_gfni_code_dots();
            all.back().row_l2sqr = get_avx512_gfni_row_l2sqr();
            all.back().row_product = get_avx512_gfni_row_product();
        }
    }
#elif defined(__aarch64__)
    all.push_back(neon_kernels);
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) {
        all.push_back(neon_kernels);
        all.back().name = "NEON with dot products";
        all.back().dots = get_neon_dotprod_dots();
        all.back().level_sums = get_neon_dotprod_level_sums();
        all.back().code_dots = get_neon_dotprod_code_dots();
    }
    if (getauxval(AT_HWCAP2) & HWCAP2_I8MM) {
        all.push_back(neon_kernels);
        all.back().name = "NEON with I8MM";
        all.back().dots = get_neon_i8mm_dots();
        all.back().code_dots = get_neon_i8mm_code_dots();
    }
#endif
    return all;
}

/// the kernels for tables likewise, with their names
inline std::vector<std::pair<const char*, TableKernels>> get_all_table_kernels() {
    std::vector<std::pair<const char*, TableKernels>> all = {
            {"plain", plain_table_kernels},
            {"plain of 4 bits", plain_table_kernels_of_4_bits}};
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("f16c")) {
        all.emplace_back("AVX2", avx2_table_kernels);
    }
    if (__builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vbmi")) {
        all.emplace_back("AVX512 with VBMI", avx512_vbmi_table_kernels);
    }
#elif defined(__aarch64__)
    all.emplace_back("NEON", neon_table_kernels);
#endif
    return all;
}

/// 0: random, 1: no bits, 2: all bits
inline std::vector<uint8_t> make_bytes(Random& random, size_t n, int kind) {
    return kind == 0 ? random.bytes(n)
                     : std::vector<uint8_t>(n, kind == 1 ? 0 : 0xff);
}

} // namespace test
