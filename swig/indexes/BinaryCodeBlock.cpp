#include "indexes/BinaryCodeBlock.h"

#include <algorithm>
#include <cstring>

namespace faiss_bebr {

using faiss::METRIC_L2;

bool BinaryCodeBlock::is_for(const BinaryDistance& distance, size_t nq) {
    const int nplanes = distance.layout.nplanes();
    // measured over whole indexes, see docs/speed.md
    const size_t most = nplanes == 1 ? 12 : nplanes == 2 ? 128 : 4;
    return nq <= most && nplanes <= kMaxRowPlanes;
}

BinaryCodeBlock::BinaryCodeBlock(
        const BinaryDistance& distance_in,
        const uint8_t* queries_in,
        const uint8_t* codes_in)
        : distance(distance_in),
          kernels(get_kernels()),
          planes(distance_in.layout.view()),
          code_size(distance_in.layout.code_size()),
          queries(queries_in),
          codes(codes_in) {}

void BinaryCodeBlock::load_range(idx_t i, size_t n) {
    nrows = n;
    rows = codes + i * code_size;
}

void BinaryCodeBlock::load(const idx_t* ids, size_t n) {
    // ids ascend
    if (ids[n - 1] - ids[0] == idx_t(n - 1)) {
        load_range(ids[0], n);
        return;
    }
    nrows = n;
    copies.resize(std::max(copies.size(), n * code_size));
    for (size_t j = 0; j < n; j++) {
        std::memcpy(
                copies.data() + j * code_size,
                codes + ids[j] * code_size,
                code_size);
    }
    rows = copies.data();
}

void BinaryCodeBlock::compute(
        size_t q0,
        size_t nq,
        const int32_t* /* thresholds */) {
    const auto compare = distance.metric_type == METRIC_L2
            ? kernels.row_l2sqr
            : kernels.row_product;
    first_query = q0;
    distances.resize(std::max(distances.size(), nq * get_stride()));
    for (size_t i = 0; i < nq; i++) {
        compare(planes,
                queries + (q0 + i) * code_size,
                rows,
                nrows,
                distances.data() + i * get_stride());
    }
}

size_t BinaryCodeBlock::collect(
        size_t q,
        int32_t threshold,
        uint32_t* hits,
        int32_t* keys) {
    const int32_t sign = distance.metric_type == METRIC_L2 ? 1 : -1;
    return kernels.collect_int(
            {nullptr, sign, 0},
            distances.data() + (q - first_query) * get_stride(),
            get_stride(),
            threshold,
            hits,
            keys);
}

} // namespace faiss_bebr
