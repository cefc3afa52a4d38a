// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/MetricType.h>

#include <cstddef>

namespace faiss {

/// A subset of the ids of an index; every kind of selector is used through
/// this interface.
struct IDSelector {
    virtual bool is_member(idx_t id) const = 0;
    virtual ~IDSelector() {}
};

/// Ids in an array, which it does not own; slow to ask.
struct IDSelectorArray : IDSelector {
    size_t n;
    const idx_t* ids;

    IDSelectorArray(size_t n_in, const idx_t* ids_in);
    bool is_member(idx_t id) const final;
    ~IDSelectorArray() override {}
};

} // namespace faiss
