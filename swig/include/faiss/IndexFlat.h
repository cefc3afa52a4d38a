// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/IndexFlatCodes.h>

namespace faiss {

/// Float vectors as they are.
struct IndexFlat : IndexFlatCodes {
    explicit IndexFlat(idx_t d, MetricType metric = METRIC_L2);
    IndexFlat() {}

    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
    void range_search(
            idx_t n,
            const float* x,
            float radius,
            RangeSearchResult* result,
            const SearchParameters* params = nullptr) const override;
    void reconstruct(idx_t key, float* recons) const override;
    /// labels: (n, k)
    void compute_distance_subset(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            const idx_t* labels) const;
    float* get_xb() {
        return reinterpret_cast<float*>(codes.data());
    }
    const float* get_xb() const {
        return reinterpret_cast<const float*>(codes.data());
    }
    FlatCodesDistanceComputer* get_FlatCodesDistanceComputer() const override;
    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;
    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;
};

} // namespace faiss
