// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/IndexBinary.h>

#include <unordered_map>
#include <vector>

namespace faiss {

/// Gives the vectors of an index ids of the user's choice. libfaiss has it for
/// the two bases below.
template <typename IndexT>
struct IndexIDMapTemplate : IndexT {
    using component_t = typename IndexT::component_t;
    using distance_t = typename IndexT::distance_t;

    IndexT* index = nullptr;
    bool own_fields = false;
    std::vector<idx_t> id_map;

    explicit IndexIDMapTemplate(IndexT* index);
    IndexIDMapTemplate();
    ~IndexIDMapTemplate() override;

    void add_with_ids(idx_t n, const component_t* x, const idx_t* xids)
            override;
    void add_with_ids_ex(
            idx_t n,
            const void* x,
            NumericType numeric_type,
            const idx_t* xids) override;
    void add(idx_t n, const component_t* x) override;
    void add_ex(idx_t n, const void* x, NumericType numeric_type) override;
    void search(
            idx_t n,
            const component_t* x,
            idx_t k,
            distance_t* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
    void search_ex(
            idx_t n,
            const void* x,
            NumericType numeric_type,
            idx_t k,
            distance_t* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
    void train(idx_t n, const component_t* x) override;
    void train_ex(idx_t n, const void* x, NumericType numeric_type) override;
    void reset() override;
    size_t remove_ids(const IDSelector& sel) override;
    void range_search(
            idx_t n,
            const component_t* x,
            distance_t radius,
            RangeSearchResult* result,
            const SearchParameters* params = nullptr) const override;
    void merge_from(IndexT& otherIndex, idx_t add_id = 0) override;
    void check_compatible_for_merge(const IndexT& otherIndex) const override;
    size_t sa_code_size() const override;
    void add_sa_codes(idx_t n, const uint8_t* x, const idx_t* xids) override;
};

using IndexIDMap = IndexIDMapTemplate<Index>;
using IndexBinaryIDMap = IndexIDMapTemplate<IndexBinary>;

/// Finds a vector by its id too.
template <typename IndexT>
struct IndexIDMap2Template : IndexIDMapTemplate<IndexT> {
    using component_t = typename IndexT::component_t;
    using distance_t = typename IndexT::distance_t;

    std::unordered_map<idx_t, idx_t> rev_map;

    explicit IndexIDMap2Template(IndexT* index);
    IndexIDMap2Template();
    ~IndexIDMap2Template() override;

    void construct_rev_map();
    void add_with_ids(idx_t n, const component_t* x, const idx_t* xids)
            override;
    void add_with_ids_ex(
            idx_t n,
            const void* x,
            NumericType numeric_type,
            const idx_t* xids) override;
    void add_sa_codes(idx_t n, const uint8_t* x, const idx_t* xids) override;
    size_t remove_ids(const IDSelector& sel) override;
    void reconstruct(idx_t key, component_t* recons) const override;
    void check_consistency() const;
    void merge_from(IndexT& otherIndex, idx_t add_id = 0) override;
};

using IndexIDMap2 = IndexIDMap2Template<Index>;
using IndexBinaryIDMap2 = IndexIDMap2Template<IndexBinary>;

} // namespace faiss
