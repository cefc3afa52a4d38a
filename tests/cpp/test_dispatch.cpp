// Which kernels are taken at a level of FAISS.

#include "check.h"
#include "kernels/dispatch.h"
#include "kernels/levels.h"

#include <string>

#ifdef __aarch64__
#include <sys/auxv.h>
#endif

using namespace faiss_bebr;
using faiss::SIMDLevel;

static std::string name_at(SIMDLevel level, SIMDLevel detected) {
    return choose_kernels(level, detected).name;
}

TEST(level_none_takes_the_plain_kernels) {
    for (SIMDLevel detected :
         {SIMDLevel::NONE, SIMDLevel::AVX512, SIMDLevel::ARM_NEON}) {
        CHECK(name_at(SIMDLevel::NONE, detected) == "NONE");
    }
}

#if defined(__x86_64__)

static bool has_avx512() {
    return __builtin_cpu_supports("avx512f") &&
            __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512vl");
}

// A level below the detected one has only what it promises.
TEST(vnni_only_at_the_detected_level) {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return;
    }
    CHECK(name_at(SIMDLevel::AVX2, SIMDLevel::AVX512) == "AVX2");
    CHECK(name_at(SIMDLevel::AVX2, SIMDLevel::AVX512_SPR) == "AVX2");
    const bool has_vnni = __builtin_cpu_supports("avxvnni");
    const SDCKernels& best = choose_kernels(SIMDLevel::AVX2, SIMDLevel::AVX2);
    CHECK(best.name == std::string(has_vnni ? "AVX2_VNNI" : "AVX2"));
    CHECK(best.has_byte_products == has_vnni);
    CHECK(!choose_kernels(SIMDLevel::AVX2, SIMDLevel::AVX512)
                   .has_byte_products);
    CHECK((best.dots == get_avx2_vnni_dots()) == has_vnni);
    CHECK((best.code_dots == get_avx2_vnni_code_dots()) == has_vnni);
}

TEST(gfni_only_at_the_detected_level) {
    if (!has_avx512()) {
        return;
    }
    const bool has_gfni = __builtin_cpu_supports("avx512vbmi") &&
            __builtin_cpu_supports("avx512vnni") &&
            __builtin_cpu_supports("avx512vpopcntdq") &&
            __builtin_cpu_supports("gfni");
    const SIMDLevel avx512 = SIMDLevel::AVX512;
    const SDCKernels& best = choose_kernels(avx512, avx512);
    CHECK((best.code_dots == get_avx512_gfni_code_dots()) == has_gfni);
    CHECK((best.row_l2sqr == get_avx512_gfni_row_l2sqr()) == has_gfni);
    CHECK((best.row_product == get_avx512_gfni_row_product()) == has_gfni);
    CHECK(best.has_byte_products == bool(__builtin_cpu_supports("avx512vnni")));
    const SDCKernels& less = choose_kernels(avx512, SIMDLevel::AVX512_SPR);
    CHECK(!less.has_byte_products);
    CHECK(less.code_dots == avx512_kernels.code_dots);
    CHECK(less.row_l2sqr == avx512_kernels.row_l2sqr);
    CHECK(less.row_product == avx512_kernels.row_product);
}

TEST(table_kernels_of_six_bits_only_at_the_detected_level) {
    const auto choose = choose_table_kernels;
    const bool has_vbmi = has_avx512() && __builtin_cpu_supports("avx512vbmi");
    const SIMDLevel avx512 = SIMDLevel::AVX512;
    CHECK((choose(avx512, avx512) == &avx512_vbmi_table_kernels) == has_vbmi);
    const bool has_avx2 = __builtin_cpu_supports("avx2") &&
            __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const TableKernels* less = has_avx2 ? &avx2_table_kernels : nullptr;
    CHECK(choose(avx512, SIMDLevel::AVX512_SPR) == less);
    CHECK(choose(SIMDLevel::AVX2, avx512) == less);
    CHECK(choose(SIMDLevel::AVX2, SIMDLevel::AVX2) == less);
    CHECK(choose(SIMDLevel::NONE, avx512) == nullptr);
}

#elif defined(__aarch64__)

TEST(dot_products_only_at_the_detected_level) {
    CHECK(name_at(SIMDLevel::ARM_NEON, SIMDLevel::ARM_SVE) == "ARM_NEON");
    const unsigned long hwcap = getauxval(AT_HWCAP);
    const unsigned long hwcap2 = getauxval(AT_HWCAP2);
    const std::string best = hwcap2 & HWCAP2_I8MM ? "ARM_NEON_I8MM"
            : hwcap & HWCAP_ASIMDDP               ? "ARM_NEON_DOTPROD"
                                                  : "ARM_NEON";
    CHECK(name_at(SIMDLevel::ARM_NEON, SIMDLevel::ARM_NEON) == best);
    CHECK(name_at(SIMDLevel::ARM_SVE, SIMDLevel::ARM_SVE) == best);
    const SDCKernels& kernels =
            choose_kernels(SIMDLevel::ARM_NEON, SIMDLevel::ARM_NEON);
    CHECK(kernels.has_byte_products == bool(hwcap & HWCAP_ASIMDDP));
}

TEST(table_kernels_at_every_level_but_none) {
    const auto choose = choose_table_kernels;
    for (SIMDLevel level : {SIMDLevel::ARM_NEON, SIMDLevel::ARM_SVE}) {
        CHECK(choose(level, SIMDLevel::ARM_SVE) == &neon_table_kernels);
        CHECK(choose(SIMDLevel::NONE, level) == nullptr);
    }
}

#endif
