#include "codes/check_arguments.h"

#include "codes/SDCQuantizer.h"
#include "codes/lane_sums.h"
#include "codes/magnitudes.h"

#include <faiss/impl/FaissAssert.h>

#include <cmath>
#include <limits>

namespace faiss_bebr {

void check_finite(size_t n, size_t d, const float* x) {
    if (get_largest_magnitude_bits(n * d, x) < kInfinityBits) {
        return;
    }
    for (size_t i = 0; i < n * d; i++) {
        FAISS_THROW_IF_NOT_FMT(
                std::isfinite(x[i]),
                "x[%zd, %zd] is NaN or infinite",
                i / d,
                i % d);
    }
}

void check_distances(size_t n, int d, const float* x) {
    constexpr float largest = std::numeric_limits<float>::max() / 4;
    for (size_t i = 0; i < n; i++) {
        const float* row = x + i * d;
        FAISS_THROW_IF_NOT_FMT(
                get_product(d, row, row) <= largest,
                "x[%zd] is too large for squared distances in float32",
                i);
    }
}

void check_binary_shape(faiss::idx_t d, int nbits, faiss::MetricType metric) {
    FAISS_THROW_IF_NOT_FMT(
            nbits >= 1 && nbits <= PlaneLayout::max_nbits,
            "nbits must be in 1..%d, got %d",
            PlaneLayout::max_nbits,
            nbits);
    FAISS_THROW_IF_NOT_FMT(
            d > 0 && d % (8 * nbits) == 0 && d / nbits <= PlaneLayout::max_dim,
            "d must be nbits times a multiple of 8 of at most %d, got %zd",
            PlaneLayout::max_dim,
            size_t(d));
    FAISS_THROW_IF_NOT_MSG(
            metric == faiss::METRIC_L2 || metric == faiss::METRIC_INNER_PRODUCT,
            "metric must be METRIC_L2 or METRIC_INNER_PRODUCT");
}

void check_query_map(
        int d,
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    FAISS_THROW_IF_NOT_FMT(
            weight.size() == size_t(d) && offset.size() == size_t(d),
            "weight and offset must have size %d, got %zd and %zd",
            d,
            weight.size(),
            offset.size());
    for (int i = 0; i < d; i++) {
        FAISS_THROW_IF_NOT_FMT(
                std::isfinite(weight[i]) && weight[i] >= 0 &&
                        std::isfinite(offset[i]),
                "weight[%d] must be finite and not negative, offset[%d] finite",
                i,
                i);
    }
}

void check_error_weight(int d, const std::vector<float>& weight) {
    if (weight.empty()) {
        return;
    }
    FAISS_THROW_IF_NOT_FMT(
            weight.size() == size_t(d) * d,
            "weights of errors must have size %d * %d or 0, got %zd",
            d,
            d,
            weight.size());
    for (int i = 0; i < d; i++) {
        const float* row = weight.data() + size_t(i) * d;
        FAISS_THROW_IF_NOT_FMT(
                row[i] >= 0,
                "weights of errors must not be negative on the diagonal, got "
                "%g in row %d",
                row[i],
                i);
        for (int j = 0; j <= i; j++) {
            FAISS_THROW_IF_NOT_FMT(
                    std::isfinite(row[j]) &&
                            row[j] == weight[size_t(j) * d + i],
                    "weights of errors must be finite and symmetric, not so "
                    "in row %d, column %d",
                    i,
                    j);
        }
    }
}

void check_ncentroids(size_t ncentroids) {
    FAISS_THROW_IF_NOT_FMT(
            ncentroids <= SDCQuantizer::max_ncentroids,
            "ncentroids must be in 0..%zd, got %zd",
            SDCQuantizer::max_ncentroids,
            ncentroids);
}

void check_id_range(faiss::idx_t i0, faiss::idx_t ni, faiss::idx_t ntotal) {
    // without i0 + ni, which may overflow
    FAISS_THROW_IF_NOT_FMT(
            ni == 0 || (ni > 0 && i0 >= 0 && i0 < ntotal && ni <= ntotal - i0),
            "%zd vectors from id %zd on are not in 0..%zd",
            size_t(ni),
            size_t(i0),
            size_t(ntotal - 1));
}

void check_owned(const faiss::MaybeOwnedVector<uint8_t>& codes) {
    FAISS_THROW_IF_NOT_MSG(
            codes.is_owned,
            "the codes are mapped from a file and cannot be changed");
}

} // namespace faiss_bebr
