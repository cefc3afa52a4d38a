#include "indexes/SDCDistanceComputer.h"

#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <limits>

namespace faiss_bebr {

SDCDistanceComputer::SDCDistanceComputer(
        const SDCQuantizer& sdc_in,
        const uint8_t* codes_in)
        : FlatCodesDistanceComputer(codes_in, sdc_in.code_size()),
          sdc(sdc_in),
          kernels(get_kernels()),
          planes(sdc_in.layout.view()) {}

void SDCDistanceComputer::set_query(const float* x) {
    try {
        query = std::make_unique<LevelQueries>(sdc, 1, x);
    } catch (const faiss::FaissException&) {
        query.reset();
    }
}

void SDCDistanceComputer::distances(
        const uint8_t* const* rows,
        size_t n,
        float* out) const {
    if (!query) {
        const float far = std::numeric_limits<float>::max();
        std::fill(out, out + n, key_to_distance(sdc.metric_type, far));
        return;
    }
    int32_t dots[4];
    kernels.code_dots(planes, query->levels.data(), rows, n, dots);
    for (size_t k = 0; k < n; k++) {
        const float key = query->get_key(sdc, kernels, 0, dots[k], rows[k]);
        out[k] = key_to_distance(sdc.metric_type, key);
    }
}

float SDCDistanceComputer::distance_to_code(const uint8_t* code) {
    float distance;
    distances(&code, 1, &distance);
    return distance;
}

void SDCDistanceComputer::distance_to_code_batch_4(
        const uint8_t* c1,
        const uint8_t* c2,
        const uint8_t* c3,
        const uint8_t* c4,
        float& d1,
        float& d2,
        float& d3,
        float& d4) {
    const uint8_t* rows[4] = {c1, c2, c3, c4};
    float out[4];
    distances(rows, 4, out);
    d1 = out[0];
    d2 = out[1];
    d3 = out[2];
    d4 = out[3];
}

float SDCDistanceComputer::symmetric_dis(idx_t i, idx_t j) {
    const uint8_t* a = codes + i * code_size;
    const uint8_t* b = codes + j * code_size;
    const float unit = sdc.layout.unit();
    const float step_a = sdc.get_scale(a) * unit;
    const float step_b = sdc.get_scale(b) * unit;
    const float* weight = sdc.query_weight.data();
    if (sdc.metric_type == faiss::METRIC_L2) {
        return kernels.code_l2sqr(planes, weight, step_a, a, step_b, b);
    }
    const float* offset = sdc.query_offset.data();
    return step_b * kernels.code_product(planes, weight, offset, step_a, a, b);
}

} // namespace faiss_bebr
