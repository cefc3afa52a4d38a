// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/impl/InvertedListScannerStats.h>

namespace faiss {

/// Receives the results of one query.
template <typename T, typename TI>
struct ResultHandlerUnordered {
    /// results that are not better need not be reported
    T threshold{};
    InvertedListScannerStats stats;

    /// returns whether the threshold changed
    virtual bool add_result(T dis, TI idx) = 0;
    virtual ~ResultHandlerUnordered() {}
};

} // namespace faiss
