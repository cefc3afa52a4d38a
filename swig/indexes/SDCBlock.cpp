#include "indexes/SDCBlock.h"

#include <algorithm>

namespace faiss_bebr {

SDCBlock::SDCBlock(
        const SDCQuantizer& sdc_in,
        const LevelQueries& queries_in,
        const uint8_t* codes_in,
        size_t block_size_in)
        : sdc(sdc_in),
          queries(queries_in),
          kernels(get_kernels()),
          codes(codes_in),
          scale(block_size_in),
          biases(sdc_in, block_size_in),
          unpacks(queries_in.step.size() > 1),
          block_size(block_size_in) {}

void SDCBlock::load(const idx_t* ids, size_t n) {
    const PlanesView view = sdc.layout.view();
    const size_t code_size = sdc.code_size();
    if (unpacks) {
        levels.resize(block_size * sdc.layout.coded_dim());
    }
    rows.resize(n);
    for (size_t j = 0; j < n; j++) {
        rows[j] = codes + ids[j] * code_size;
    }
    sdc.get_scales(rows.data(), n, scale.data());
    biases.load(rows.data(), n);
    for (size_t j = 0; unpacks && j < n; j += kGroup) {
        kernels.unpack_group(
                view,
                rows.data() + j,
                std::min(kGroup, n - j),
                levels.data() + j * sdc.layout.coded_dim());
    }
}

void SDCBlock::compute(size_t q0, size_t nq, const float* /* thresholds */) {
    first_query = q0;
    const size_t padded = get_num_groups() * kGroup;
    dots.resize(std::max(dots.size(), nq * padded));
    const int m = sdc.layout.coded_dim();
    const int8_t* query = queries.levels.data() + q0 * m;
    if (unpacks) {
        kernels.dots(
                m, query, nq, levels.data(), get_num_groups(), dots.data());
        return;
    }
    kernels.code_dots(
            sdc.layout.view(), query, rows.data(), rows.size(), dots.data());
    std::fill(dots.data() + rows.size(), dots.data() + padded, 0);
}

size_t SDCBlock::collect(
        size_t q,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const FloatKey key = queries.key(
            sdc, q, scale.data(), biases.get(queries, q, rows.size()));
    const size_t padded = get_num_groups() * kGroup;
    const int32_t* row = dots.data() + (q - first_query) * padded;
    return kernels.collect_float(key, row, padded, threshold, hits, keys);
}

} // namespace faiss_bebr
