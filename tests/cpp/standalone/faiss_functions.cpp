// The functions of libfaiss that the kernels and their tests call, so that
// they make a program without it.

#include <faiss/impl/FaissException.h>
#include <faiss/utils/simd_levels.h>

#ifdef __aarch64__
#include <sys/auxv.h>
#endif

namespace faiss {

SIMDLevel SIMDConfig::auto_detect_simd_level() {
#ifdef __aarch64__
    return getauxval(AT_HWCAP) & HWCAP_SVE ? SIMDLevel::ARM_SVE
                                           : SIMDLevel::ARM_NEON;
#else
    return SIMDLevel::NONE;
#endif
}

SIMDLevel SIMDConfig::get_level() {
    return auto_detect_simd_level();
}

FaissException::FaissException(
        const std::string& m,
        const char* function,
        const char* file,
        int line)
        : msg(std::string(file) + ":" + std::to_string(line) + " " + function +
              ": " + m) {}

const char* FaissException::what() const noexcept {
    return msg.c_str();
}

} // namespace faiss
