// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/maybe_owned_vector.h>

namespace faiss {

struct CodePacker;

/// Base of indexes that keep every vector as a row of code_size bytes.
struct IndexFlatCodes : Index {
    size_t code_size;
    /// ntotal * code_size bytes
    MaybeOwnedVector<uint8_t> codes;

    IndexFlatCodes();
    IndexFlatCodes(size_t code_size, idx_t d, MetricType metric = METRIC_L2);

    void add(idx_t n, const float* x) override;
    void reset() override;
    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;
    void reconstruct(idx_t key, float* recons) const override;
    size_t sa_code_size() const override;
    size_t remove_ids(const IDSelector& sel) override;
    virtual FlatCodesDistanceComputer* get_FlatCodesDistanceComputer() const;
    DistanceComputer* get_distance_computer() const override {
        return get_FlatCodesDistanceComputer();
    }
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
    void search1(
            const float* x,
            ResultHandler& handler,
            SearchParameters* params = nullptr) const override;
    CodePacker* get_CodePacker() const;
    void check_compatible_for_merge(const Index& otherIndex) const override;
    void merge_from(Index& otherIndex, idx_t add_id = 0) override;
    void add_sa_codes(idx_t n, const uint8_t* x, const idx_t* xids) override;
    void permute_entries(const idx_t* perm);
};

} // namespace faiss
