#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace faiss_bebr {

/// those of an infinity, and of NaN more
constexpr int32_t kInfinityBits = 0x7f800000;

/** The largest magnitude of n floats, as its bits: integers in the order of
 * magnitudes, of which a compiler takes several at once, as it may not of
 * floats that could be NaN.
 */
inline int32_t get_largest_magnitude(size_t n, const float* x) {
    constexpr size_t lanes = 16;
    int32_t largest[lanes] = {0};
    const auto take = [&](size_t lane, const float* value) {
        int32_t bits;
        std::memcpy(&bits, value, sizeof(bits));
        largest[lane] = std::max(largest[lane], bits & 0x7fffffff);
    };
    size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (size_t j = 0; j < lanes; j++) {
            take(j, x + i + j);
        }
    }
    for (; i < n; i++) {
        take(0, x + i);
    }
    return *std::max_element(largest, largest + lanes);
}

} // namespace faiss_bebr
