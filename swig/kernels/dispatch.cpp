#include "kernels/levels.h"

#include <faiss/utils/simd_levels.h>

namespace faiss_bebr {

#ifdef __x86_64__

namespace {

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
}

bool has_avx512_vbmi() {
    return has_avx512() && __builtin_cpu_supports("avx512vbmi");
}

/// the 512-bit kernels with every extension that the processor has
SDCKernels make_best_avx512() {
    SDCKernels kernels = avx512_kernels;
    if (__builtin_cpu_supports("avx512vnni")) {
        kernels.name = "AVX512_VNNI";
        kernels.dots = get_avx512_vnni_dots();
        kernels.code_dots = get_avx512_vnni_code_dots();
    }
    if (__builtin_cpu_supports("avx512vpopcntdq")) {
        kernels.hamming = get_avx512_vpopcntdq_hamming();
    }
    return kernels;
}

/** Whether FAISS uses what it detected, above AVX512. FAISS 1.15.0 has no level
 * between AVX512 and Sapphire Rapids, so a level that was detected stands for
 * the processor as it is.
 */
bool uses_all_of_avx512() {
    using faiss::SIMDLevel;
    static const bool cpu_has_avx512 = has_avx512();
    static const SIMDLevel detected =
            faiss::SIMDConfig::auto_detect_simd_level();
    const SIMDLevel level = faiss::SIMDConfig::get_level();
    return cpu_has_avx512 && level != SIMDLevel::NONE &&
            level != SIMDLevel::AVX2 &&
            (level != SIMDLevel::AVX512 || level == detected);
}

} // namespace

const SDCKernels& get_kernels() {
    using faiss::SIMDLevel;
    static const SDCKernels best_avx512 = make_best_avx512();
    static const bool cpu_has_avx512 = has_avx512();
    static const bool cpu_has_avx2 = __builtin_cpu_supports("avx2");
    const SIMDLevel level = faiss::SIMDConfig::get_level();
    if (level == SIMDLevel::NONE || !cpu_has_avx2) {
        return plain_kernels;
    }
    if (level == SIMDLevel::AVX2 || !cpu_has_avx512) {
        return avx2_kernels;
    }
    return uses_all_of_avx512() ? best_avx512 : avx512_kernels;
}

const TableKernels* get_table_kernels() {
    static const bool cpu_has_vbmi = has_avx512_vbmi();
    return cpu_has_vbmi && uses_all_of_avx512() ? &avx512_vbmi_table_kernels
                                                : nullptr;
}

#else

const SDCKernels& get_kernels() {
    return plain_kernels;
}

const TableKernels* get_table_kernels() {
    return nullptr;
}

#endif // __x86_64__

const char* get_simd_level_name() {
    return get_kernels().name;
}

} // namespace faiss_bebr
