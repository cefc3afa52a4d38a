#include "codes/check_finite.h"

#include <faiss/impl/FaissAssert.h>

#include <cmath>

namespace faiss_bebr {

void check_finite(size_t n, size_t d, const float* x) {
    for (size_t i = 0; i < n * d; i++) {
        FAISS_THROW_IF_NOT_FMT(
                std::isfinite(x[i]),
                "x[%zd, %zd] is NaN or infinite",
                i / d,
                i % d);
    }
}

} // namespace faiss_bebr
