#include "kernels/dispatch.h"

#include "kernels/levels.h"

#ifdef __aarch64__
#include <sys/auxv.h>
#endif

namespace faiss_bebr {

using faiss::SIMDLevel;

#ifdef __x86_64__

namespace {

/// what avx2.cpp is compiled for
bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/// what avx2_tables.cpp is compiled for, and what the other AVX2 kernels are
bool has_avx2_tables() {
    return has_avx2() && __builtin_cpu_supports("f16c");
}

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
}

bool has_avx512_vbmi() {
    return has_avx512() && __builtin_cpu_supports("avx512vbmi");
}

/// what avx512_gfni.cpp is compiled for
bool has_avx512_gfni() {
    return has_avx512_vbmi() && __builtin_cpu_supports("avx512vnni") &&
            __builtin_cpu_supports("avx512vpopcntdq") &&
            __builtin_cpu_supports("gfni");
}

/// the 256-bit kernels with every extension that the processor has
SDCKernels make_best_avx2() {
    SDCKernels kernels = avx2_kernels;
    if (__builtin_cpu_supports("avxvnni")) {
        kernels.name = "AVX2_VNNI";
        kernels.has_byte_products = true;
        kernels.dots = get_avx2_vnni_dots();
        kernels.code_dots = get_avx2_vnni_code_dots();
        kernels.row_l2sqr = get_avx2_vnni_row_l2sqr();
        kernels.row_product = get_avx2_vnni_row_product();
    }
    return kernels;
}

/// the 512-bit kernels likewise
SDCKernels make_best_avx512() {
    SDCKernels kernels = avx512_kernels;
    if (__builtin_cpu_supports("avx512vnni")) {
        kernels.name = "AVX512_VNNI";
        kernels.has_byte_products = true;
        kernels.dots = get_avx512_vnni_dots();
        kernels.code_dots = get_avx512_vnni_code_dots();
        kernels.row_l2sqr = get_avx512_vnni_row_l2sqr();
        kernels.row_product = get_avx512_vnni_row_product();
    }
    if (__builtin_cpu_supports("avx512vpopcntdq")) {
        kernels.hamming = get_avx512_vpopcntdq_hamming();
    }
    if (has_avx512_gfni()) {
        kernels.code_dots = get_avx512_gfni_code_dots();
        kernels.row_l2sqr = get_avx512_gfni_row_l2sqr();
        kernels.row_product = get_avx512_gfni_row_product();
    }
    return kernels;
}

/** Whether FAISS uses what it detected, above AVX512. FAISS 1.15.0 has no level
 * between AVX512 and Sapphire Rapids, so a level that was detected stands for
 * the processor as it is.
 */
bool uses_all_of_avx512(SIMDLevel level, SIMDLevel detected) {
    static const bool cpu_has_avx512 = has_avx512();
    return cpu_has_avx512 && level != SIMDLevel::NONE &&
            level != SIMDLevel::AVX2 &&
            (level != SIMDLevel::AVX512 || level == detected);
}

} // namespace

const SDCKernels& choose_kernels(SIMDLevel level, SIMDLevel detected) {
    static const SDCKernels best_avx2 = make_best_avx2();
    static const SDCKernels best_avx512 = make_best_avx512();
    static const bool cpu_has_avx512 = has_avx512();
    static const bool cpu_has_avx2 = has_avx2();

    if (level == SIMDLevel::NONE || !cpu_has_avx2) {
        return plain_kernels;
    }
    // here too: FAISS has no level for AVX-VNNI
    if (level == SIMDLevel::AVX2 || !cpu_has_avx512) {
        return level == detected ? best_avx2 : avx2_kernels;
    }
    return uses_all_of_avx512(level, detected) ? best_avx512 : avx512_kernels;
}

const TableKernels* choose_table_kernels(SIMDLevel level, SIMDLevel detected) {
    static const bool cpu_has_vbmi = has_avx512_vbmi();
    static const bool cpu_has_avx2 = has_avx2_tables();
    if (cpu_has_vbmi && uses_all_of_avx512(level, detected)) {
        return &avx512_vbmi_table_kernels;
    }
    return cpu_has_avx2 && level != SIMDLevel::NONE ? &avx2_table_kernels
                                                    : nullptr;
}

#else

#ifdef __aarch64__

const TableKernels* choose_table_kernels(SIMDLevel level, SIMDLevel) {
    return level == SIMDLevel::NONE ? nullptr : &neon_table_kernels;
}

namespace {

bool has_dotprod() {
    constexpr unsigned long asimddp = 1ul << 20;
    return getauxval(AT_HWCAP) & asimddp;
}

bool has_i8mm() {
    // a name of glibc 2.33
    constexpr unsigned long i8mm = 1ul << 13;
    return getauxval(AT_HWCAP2) & i8mm;
}

/// the 128-bit kernels with every extension that the processor has
SDCKernels make_best_neon() {
    SDCKernels kernels = neon_kernels;
    if (has_dotprod()) {
        kernels.name = "ARM_NEON_DOTPROD";
        kernels.has_byte_products = true;
        kernels.dots = get_neon_dotprod_dots();
        kernels.level_sums = get_neon_dotprod_level_sums();
        kernels.code_dots = get_neon_dotprod_code_dots();
    }
    if (has_i8mm()) {
        kernels.name = "ARM_NEON_I8MM";
        kernels.dots = get_neon_i8mm_dots();
        kernels.code_dots = get_neon_i8mm_code_dots();
    }
    return kernels;
}

} // namespace

const SDCKernels& choose_kernels(SIMDLevel level, SIMDLevel detected) {
    static const SDCKernels best_neon = make_best_neon();
    if (level == SIMDLevel::NONE) {
        return plain_kernels;
    }
    // ARM_SVE is above ARM_NEON, and has no kernels of its own
    return level == detected ? best_neon : neon_kernels;
}

#else

const TableKernels* choose_table_kernels(SIMDLevel, SIMDLevel) {
    return nullptr;
}

const SDCKernels& choose_kernels(SIMDLevel, SIMDLevel) {
    return plain_kernels;
}

#endif // __aarch64__

#endif // __x86_64__

namespace {

SIMDLevel get_detected_level() {
    static const SIMDLevel detected =
            faiss::SIMDConfig::auto_detect_simd_level();
    return detected;
}

} // namespace

const SDCKernels& get_kernels() {
    return choose_kernels(faiss::SIMDConfig::get_level(), get_detected_level());
}

const TableKernels* get_table_kernels() {
    return choose_table_kernels(
            faiss::SIMDConfig::get_level(), get_detected_level());
}

const TableKernels& get_any_table_kernels() {
    const TableKernels* kernels = get_table_kernels();
    return kernels ? *kernels : plain_table_kernels;
}

const char* get_simd_level_name() {
    return get_kernels().name;
}

} // namespace faiss_bebr
