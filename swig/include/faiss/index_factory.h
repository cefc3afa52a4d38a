// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>

namespace faiss {

/// belongs to the caller
Index* index_factory(
        int d,
        const char* description,
        MetricType metric = METRIC_L2,
        bool own_invlists = true);

} // namespace faiss
