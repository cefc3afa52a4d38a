#include "indexes/SDCBlock.h"

#include <algorithm>

namespace faiss_bebr {

SDCBlock::SDCBlock(
        const SDCQuantizer& sdc_in,
        const LevelQueries& queries_in,
        const uint8_t* codes_in,
        size_t block_size)
        : sdc(sdc_in),
          queries(queries_in),
          kernels(get_kernels()),
          codes(codes_in),
          levels(block_size * sdc_in.dim()),
          scale(block_size),
          norm(sdc_in.metric_type == faiss::METRIC_L2 ? block_size : 0) {}

void SDCBlock::load(const idx_t* ids, size_t n) {
    const PlanesView view = sdc.layout.view();
    const size_t code_size = sdc.code_size();
    ngroups = (n + kGroup - 1) / kGroup;
    for (size_t j = 0; j < n; j += kGroup) {
        const uint8_t* rows[kGroup];
        const size_t nrows = std::min(kGroup, n - j);
        std::fill(scale.data() + j, scale.data() + j + kGroup, 0.0f);
        for (size_t k = 0; k < nrows; k++) {
            rows[k] = codes + ids[j + k] * code_size;
            scale[j + k] = sdc.get_scale(rows[k]);
        }
        kernels.unpack_group(view, rows, nrows, levels.data() + j * sdc.dim());
        for (size_t k = 0; !norm.empty() && k < nrows; k++) {
            norm[j + k] = get_decoded_norm(sdc, kernels, rows[k], scale[j + k]);
        }
    }
}

void SDCBlock::compute(size_t q0, size_t nq, int32_t* dots) {
    kernels.dots(
            sdc.dim(),
            queries.levels.data() + q0 * sdc.dim(),
            nq,
            levels.data(),
            ngroups,
            dots);
}

size_t SDCBlock::collect(
        size_t q,
        const int32_t* dots,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const FloatKey key = queries.key(
            sdc, q, scale.data(), norm.empty() ? nullptr : norm.data());
    return kernels.collect_float(
            key, dots, ngroups * kGroup, threshold, hits, keys);
}

} // namespace faiss_bebr
