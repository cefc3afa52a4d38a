#pragma once

#include <faiss/MetricType.h>

#include <cstddef>

namespace faiss_bebr {

// Checks of arguments; all throw FaissException.

/// names the first of n * d values that is NaN or infinite
void check_finite(size_t n, size_t d, const float* x);

/// the ids i0 .. i0 + ni - 1 have to be in 0 .. ntotal - 1
void check_id_range(faiss::idx_t i0, faiss::idx_t ni, faiss::idx_t ntotal);

} // namespace faiss_bebr
