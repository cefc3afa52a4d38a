#pragma once

#include <cstddef>

namespace faiss_bebr {

/// throws FaissException naming the first of n * d values that is NaN or
/// infinite
void check_finite(size_t n, size_t d, const float* x);

} // namespace faiss_bebr
