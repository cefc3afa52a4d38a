#pragma once

#include "codes/lane_sums.h"

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace faiss_bebr {

/// the bits of infinity; those of NaN are larger
constexpr int32_t kInfinityBits = 0x7f800000;

/** The bits of the largest magnitude of n floats: integers in the order of
 * magnitudes, of which a compiler takes several at once, as it may not of
 * floats that could be NaN.
 */
inline int32_t get_largest_magnitude_bits(size_t n, const float* x) {
    return get_largest_in_lanes(n, 0, [x](size_t i) {
        int32_t bits;
        std::memcpy(&bits, x + i, sizeof(bits));
        return bits & 0x7fffffff;
    });
}

} // namespace faiss_bebr
