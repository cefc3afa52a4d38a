#include "codes/check_arguments.h"

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

void check_id_range(faiss::idx_t i0, faiss::idx_t ni, faiss::idx_t ntotal) {
    // without i0 + ni, which may overflow
    FAISS_THROW_IF_NOT_FMT(
            ni == 0 || (ni > 0 && i0 >= 0 && i0 < ntotal && ni <= ntotal - i0),
            "%zd vectors from id %zd on are not in 0..%zd",
            size_t(ni),
            size_t(i0),
            size_t(ntotal - 1));
}

} // namespace faiss_bebr
