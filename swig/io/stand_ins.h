#pragma once

#include <faiss/IndexBinaryFromFloat.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/VectorTransform.h>

namespace faiss_bebr {

using faiss::idx_t;

// FAISS writes and clones its containers with all that is inside, but only its
// own types. So while it does that to a container, each part of another type is
// replaced by a stand-in: an object of a stock class for FAISS's dynamic_cast,
// with nothing in it but the part's sizes. Searches go on to the part, as other
// threads may go on searching. What reads or cloned the container finds objects
// of the stock class and puts parts there.

/// An IndexPreTransform without transforms around an empty IndexFlat.
struct StandInIndex : faiss::IndexPreTransform {
    const faiss::Index* part; ///< not owned

    explicit StandInIndex(const faiss::Index* part);

    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;
    void search1(
            const float* x,
            faiss::ResultHandler& handler,
            faiss::SearchParameters* params = nullptr) const override;
    void range_search(
            idx_t n,
            const float* x,
            float radius,
            faiss::RangeSearchResult* result,
            const faiss::SearchParameters* params = nullptr) const override;
    void assign(idx_t n, const float* x, idx_t* labels, idx_t k = 1)
            const override;
    void reconstruct(idx_t key, float* recons) const override;
    void reconstruct_batch(idx_t n, const idx_t* keys, float* recons)
            const override;
    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;
    void search_and_reconstruct(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            float* recons,
            const faiss::SearchParameters* params = nullptr) const override;
    void search_subset(
            idx_t n,
            const float* x,
            idx_t k_base,
            const idx_t* base_labels,
            idx_t k,
            float* distances,
            idx_t* labels) const override;
    void compute_residual(const float* x, float* residual, idx_t key)
            const override;
    void compute_residual_n(
            idx_t n,
            const float* xs,
            float* residuals,
            const idx_t* keys) const override;
    faiss::DistanceComputer* get_distance_computer() const override;
    size_t sa_code_size() const override;
    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;
    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;
};

/// An IndexBinaryFromFloat around an empty IndexFlat.
struct StandInIndexBinary : faiss::IndexBinaryFromFloat {
    const faiss::IndexBinary* part; ///< not owned

    explicit StandInIndexBinary(const faiss::IndexBinary* part);

    void search(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;
    void range_search(
            idx_t n,
            const uint8_t* x,
            int radius,
            faiss::RangeSearchResult* result,
            const faiss::SearchParameters* params = nullptr) const override;
    void reconstruct(idx_t key, uint8_t* recons) const override;
    void reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons) const override;
    void search_and_reconstruct(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            uint8_t* recons,
            const faiss::SearchParameters* params = nullptr) const override;
};

/// A RemapDimensionsTransform whose output is all zeros.
struct StandInTransform : faiss::RemapDimensionsTransform {
    const faiss::VectorTransform* part; ///< not owned

    explicit StandInTransform(const faiss::VectorTransform* part);

    void apply_noalloc(idx_t n, const float* x, float* xt) const override;
    void reverse_transform(idx_t n, const float* xt, float* x) const override;
    void check_identical(const faiss::VectorTransform& other) const override;
};

/// chain[i] of an IndexPreTransform; the old transform is not deleted
void set_transform(
        faiss::IndexPreTransform* index,
        size_t i,
        faiss::VectorTransform* transform);

} // namespace faiss_bebr
