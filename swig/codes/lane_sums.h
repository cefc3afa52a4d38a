#pragma once

namespace faiss_bebr {

/** The sum of term(i) for i in 0 .. n - 1 in 16 partial sums, so that compilers
 * can vectorize it and its bits are the same on every machine.
 */
template <class Float = float, class Term>
inline Float sum_in_lanes(int n, const Term& term) {
    constexpr int lanes = 16;
    Float sums[lanes] = {0};
    int i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (int j = 0; j < lanes; j++) {
            sums[j] += term(i + j);
        }
    }
    for (int j = 0; i + j < n; j++) {
        sums[j] += term(i + j);
    }
    for (int half = lanes / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            sums[j] += sums[j + half];
        }
    }
    return sums[0];
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
