// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>

namespace faiss {

struct IndexRefineSearchParameters : SearchParameters {
    float k_factor = 1;
    SearchParameters* base_index_params = nullptr;

    virtual ~IndexRefineSearchParameters() = default;
};

/// Takes k * k_factor results of one index and keeps the k that are best by
/// another one's distances.
struct IndexRefine : Index {
    Index* base_index;
    Index* refine_index;
    bool own_fields = false; ///< of base_index
    bool own_refine_index = false;
    float k_factor = 1;

    IndexRefine(Index* base_index, Index* refine_index);
    IndexRefine();
    ~IndexRefine() override;

    void train(idx_t n, const float* x) override;
    void add(idx_t n, const float* x) override;
    void reset() override;
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
    size_t sa_code_size() const override;
    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;
    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;
};

/// The refining index is an IndexFlat.
struct IndexRefineFlat : IndexRefine {
    explicit IndexRefineFlat(Index* base_index);
    IndexRefineFlat(Index* base_index, const float* xb);
    IndexRefineFlat();

    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
};

} // namespace faiss
