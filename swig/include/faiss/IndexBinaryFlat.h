// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/IndexBinary.h>
#include <faiss/impl/approx_topk/approx_topk.h>
#include <faiss/impl/maybe_owned_vector.h>

namespace faiss {

/// Binary vectors as they are.
struct IndexBinaryFlat : IndexBinary {
    /// ntotal * code_size bytes
    MaybeOwnedVector<uint8_t> xb;
    bool use_heap = true;
    size_t query_batch_size = 32;
    ApproxTopK_mode_t approx_topk_mode = EXACT_TOPK;

    explicit IndexBinaryFlat(idx_t d);
    IndexBinaryFlat() {}

    void add(idx_t n, const uint8_t* x) override;
    void reset() override;
    void search(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
    void range_search(
            idx_t n,
            const uint8_t* x,
            int radius,
            RangeSearchResult* result,
            const SearchParameters* params = nullptr) const override;
    void reconstruct(idx_t key, uint8_t* recons) const override;
    size_t remove_ids(const IDSelector& sel) override;
};

} // namespace faiss
