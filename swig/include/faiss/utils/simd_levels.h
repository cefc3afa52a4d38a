// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <cstdint>

namespace faiss {

enum class SIMDLevel {
    NONE = 0,
    AVX2 = 1,
    AVX512 = 2,
    AVX512_SPR = 3,
    ARM_NEON = 4,
    ARM_SVE = 5,
    RISCV_RVV = 6,
};

/// The instruction set that FAISS uses: detected when it is loaded, and
/// changed from Python by faiss.SIMDConfig.set_level.
struct SIMDConfig {
    static SIMDLevel get_level();
    static void set_level(SIMDLevel level);
    static SIMDLevel auto_detect_simd_level();
};

} // namespace faiss
