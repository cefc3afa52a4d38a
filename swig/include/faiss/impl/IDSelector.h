// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/MetricType.h>

namespace faiss {

/// A subset of the ids of an index; every kind of selector is used through
/// this interface.
struct IDSelector {
    virtual bool is_member(idx_t id) const = 0;
    virtual ~IDSelector() {}
};

} // namespace faiss
