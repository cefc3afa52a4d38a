#pragma once

#include <cstdint>
#include <cstring>

namespace faiss_bebr {

/// IEEE 754 binary16 of a finite x >= 0, rounded to nearest even; values from
/// 65520 on give infinity (0x7c00).
inline uint16_t encode_float16(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    const int exponent = static_cast<int>(bits >> 23) - 127 + 15;
    if (exponent >= 31) {
        return 0x7c00;
    }
    uint32_t mantissa = bits & 0x7fffff;
    int dropped = 13; // of the 23 bits of the mantissa
    uint32_t half = static_cast<uint32_t>(exponent) << 10;
    if (exponent <= 0) {
        if (exponent < -10) {
            return 0;
        }
        // subnormal: the leading 1 becomes explicit
        mantissa |= 0x800000;
        dropped = 14 - exponent;
        half = 0;
    }
    const uint32_t kept = mantissa >> dropped;
    const uint32_t rest = mantissa & ((1u << dropped) - 1);
    const uint32_t middle = 1u << (dropped - 1);
    half += kept;
    // a carry out of the mantissa raises the exponent, as it should
    half += rest > middle || (rest == middle && (kept & 1));
    return static_cast<uint16_t>(half);
}

inline float decode_float16(uint16_t half) {
    const uint32_t exponent = (half >> 10) & 31;
    uint32_t bits = static_cast<uint32_t>(half & 0x3ff) << 13;
    float x;
    if (exponent == 0) {
        // subnormal: 2^-14 times the fraction
        bits |= 113u << 23;
        std::memcpy(&x, &bits, 4);
        return x - 6.103515625e-05f;
    }
    bits |= (exponent == 31 ? 255u : exponent + 112) << 23;
    std::memcpy(&x, &bits, 4);
    return x;
}

} // namespace faiss_bebr
