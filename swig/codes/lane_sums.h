#pragma once

#include <cstddef>
#include <cstdint>

namespace faiss_bebr {

/** term(i) for i in 0 .. n - 1 combined, in 16 parts that are combined at the
 * end, so that compilers can vectorize it and its bits are the same on every
 * machine.
 * @param start  of each part: what changes nothing, as 0 of a sum
 */
template <class Result, class Index, class Term, class Combine>
inline Result combine_in_lanes(
        Index n,
        Result start,
        const Term& term,
        const Combine& combine) {
    constexpr Index lanes = 16;
    Result parts[lanes];
    for (Index j = 0; j < lanes; j++) {
        parts[j] = start;
    }
    Index i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (Index j = 0; j < lanes; j++) {
            parts[j] = combine(parts[j], term(i + j));
        }
    }
    for (Index j = 0; i + j < n; j++) {
        parts[j] = combine(parts[j], term(i + j));
    }
    for (Index half = lanes / 2; half > 0; half /= 2) {
        for (Index j = 0; j < half; j++) {
            parts[j] = combine(parts[j], parts[j + half]);
        }
    }
    return parts[0];
}

/// the sum of term(i) for i in 0 .. n - 1
template <class Float = float, class Term>
inline Float sum_in_lanes(int n, const Term& term) {
    return combine_in_lanes(
            n, Float(0), term, [](Float a, Float b) { return a + b; });
}

/// the largest term(i) for i in 0 .. n - 1, or `least` if that is more
template <class Term>
inline int32_t get_largest_in_lanes(size_t n, int32_t least, const Term& term) {
    return combine_in_lanes(
            n, least, term, [](int32_t a, int32_t b) { return a < b ? b : a; });
}

/// the sum of a[i] * b[i]
inline float get_product(int n, const float* a, const float* b) {
    return sum_in_lanes(n, [=](int i) { return a[i] * b[i]; });
}

/// the sum of weight[i] * (a[i] - b[i])^2
inline float get_squared_distance(
        int n,
        const float* weight,
        const float* a,
        const float* b) {
    return sum_in_lanes(n, [=](int i) {
        const float difference = a[i] - b[i];
        return weight[i] * (difference * difference);
    });
}

} // namespace faiss_bebr
