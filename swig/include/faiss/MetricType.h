// The part of FAISS's interface that faiss_bebr uses, declared in our own
// words; see swig/include/README.md.

#pragma once

#include <cstdint>

namespace faiss {

/// Values as stored in index files. Only the first two are accepted by the
/// indexes of this package.
enum MetricType {
    METRIC_INNER_PRODUCT = 0,
    METRIC_L2 = 1,
    METRIC_L1 = 2,
    METRIC_Linf = 3,
    METRIC_Lp = 4,
    METRIC_Canberra = 20,
    METRIC_BrayCurtis = 21,
    METRIC_JensenShannon = 22,
    METRIC_Jaccard = 23,
    METRIC_NaNEuclidean = 24,
    METRIC_GOWER = 25,
};

using idx_t = int64_t;

} // namespace faiss
