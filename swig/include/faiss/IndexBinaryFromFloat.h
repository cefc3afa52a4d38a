// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/IndexBinary.h>

namespace faiss {

/// A binary index that unpacks its vectors for a float one.
struct IndexBinaryFromFloat : IndexBinary {
    Index* index = nullptr;
    bool own_fields = false; ///< whether to delete the index

    IndexBinaryFromFloat();
    explicit IndexBinaryFromFloat(Index* index);
    ~IndexBinaryFromFloat() override;

    void add(idx_t n, const uint8_t* x) override;
    void reset() override;
    void search(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
    void train(idx_t n, const uint8_t* x) override;
};

} // namespace faiss
