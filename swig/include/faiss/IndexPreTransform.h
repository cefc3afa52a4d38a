// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/VectorTransform.h>

#include <vector>

namespace faiss {

struct SearchParametersPreTransform : SearchParameters {
    SearchParameters* index_params = nullptr;
};

/// An index behind a chain of transforms, the first of which comes first.
struct IndexPreTransform : Index {
    std::vector<VectorTransform*> chain;
    Index* index;
    bool own_fields = false;

    explicit IndexPreTransform(Index* index);
    IndexPreTransform();
    IndexPreTransform(VectorTransform* ltrans, Index* index);
    ~IndexPreTransform() override;

    void prepend_transform(VectorTransform* ltrans);
    void train(idx_t n, const float* x) override;
    void add(idx_t n, const float* x) override;
    void add_with_ids(idx_t n, const float* x, const idx_t* xids) override;
    void reset() override;
    size_t remove_ids(const IDSelector& sel) override;
    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
    void search_subset(
            idx_t n,
            const float* x,
            idx_t k_base,
            const idx_t* base_labels,
            idx_t k,
            float* distances,
            idx_t* labels) const override;
    void range_search(
            idx_t n,
            const float* x,
            float radius,
            RangeSearchResult* result,
            const SearchParameters* params = nullptr) const override;
    void reconstruct(idx_t key, float* recons) const override;
    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;
    void search_and_reconstruct(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            float* recons,
            const SearchParameters* params = nullptr) const override;
    /// to be freed with delete[] unless it is x
    const float* apply_chain(idx_t n, const float* x) const;
    void reverse_chain(idx_t n, const float* xt, float* x) const;
    DistanceComputer* get_distance_computer() const override;
    size_t sa_code_size() const override;
    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;
    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;
    void merge_from(Index& otherIndex, idx_t add_id = 0) override;
    void check_compatible_for_merge(const Index& otherIndex) const override;
};

} // namespace faiss
