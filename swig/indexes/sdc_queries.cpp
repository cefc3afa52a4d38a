#include "indexes/sdc_queries.h"

#include "codes/check_arguments.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>

namespace faiss_bebr {

float key_to_distance(faiss::MetricType metric_type, float key) {
    return metric_type == faiss::METRIC_L2 ? std::max(key, 0.0f) : -key;
}

namespace {

/** Query i of x after the query map; throws if it overflows there.
 * @param mapped  output, size d
 * @return        the largest absolute value
 */
float map_query(
        const SDCQuantizer& sdc,
        const float* x,
        size_t i,
        std::vector<float>& mapped) {
    const float* y = x + i * sdc.dim();
    const bool is_l2 = sdc.metric_type == faiss::METRIC_L2;
    float max_abs = 0;
    for (int j = 0; j < sdc.dim(); j++) {
        mapped[j] = sdc.query_weight[j] * y[j];
        if (!is_l2) {
            mapped[j] += sdc.query_offset[j];
        }
        max_abs = std::max(max_abs, std::fabs(mapped[j]));
    }
    FAISS_THROW_IF_NOT_FMT(
            std::isfinite(max_abs), "x[%zd] overflows in the query's map", i);
    return max_abs;
}

} // namespace

void check_queries(const SDCQuantizer& sdc, size_t n, const float* x) {
    check_finite(n, sdc.dim(), x);
    std::vector<float> mapped(sdc.dim());
    for (size_t i = 0; i < n; i++) {
        map_query(sdc, x, i, mapped);
    }
}

LevelQueries::LevelQueries(const SDCQuantizer& sdc, size_t n, const float* x) {
    set(sdc, n, x);
}

void LevelQueries::set(const SDCQuantizer& sdc, size_t n, const float* x) {
    const int d = sdc.dim();
    const bool is_l2 = sdc.metric_type == faiss::METRIC_L2;
    check_finite(n, d, x);
    levels.assign(n * d, 0);
    step.assign(n, 0);
    shift.assign(n, 0);
    bias.assign(n, 0);
    std::vector<float> mapped(d);
    for (size_t i = 0; i < n; i++) {
        step[i] = map_query(sdc, x, i, mapped) / 127;
        if (step[i] == 0) {
            continue; // zero or denormal: all levels are 0
        }
        int8_t* row = levels.data() + i * d;
        for (int j = 0; j < d; j++) {
            const float level = std::nearbyint(mapped[j] / step[i]);
            row[j] = static_cast<int8_t>(
                    std::min(std::max(level, -127.0f), 127.0f));
            shift[i] += row[j] * sdc.layout.level_base[j];
            if (is_l2 && sdc.query_weight[j] > 0) {
                const float q = step[i] * row[j];
                bias[i] += q * q / sdc.query_weight[j];
            }
        }
    }
}

void LevelQueries::decode(const SDCQuantizer& sdc, float* q) const {
    const int d = sdc.dim();
    for (size_t i = 0; i < step.size(); i++) {
        for (int j = 0; j < d; j++) {
            const float value = step[i] * levels[i * d + j];
            const bool divide = sdc.metric_type == faiss::METRIC_L2 &&
                    sdc.query_weight[j] > 0;
            q[i * d + j] = divide ? value / sdc.query_weight[j] : value;
        }
    }
}

FloatKey LevelQueries::key(
        const SDCQuantizer& sdc,
        size_t i,
        const float* doc_scale,
        const float* doc_bias) const {
    const float sign = sdc.metric_type == faiss::METRIC_L2 ? -2.0f : -1.0f;
    return {doc_scale,
            doc_bias,
            sign * sdc.layout.unit() * step[i],
            bias[i],
            shift[i]};
}

float LevelQueries::get_key(
        const SDCQuantizer& sdc,
        const SDCKernels& kernels,
        size_t i,
        int32_t dot,
        const uint8_t* code) const {
    const float scale = sdc.get_scale(code);
    const bool is_l2 = sdc.metric_type == faiss::METRIC_L2;
    const float norm =
            is_l2 ? get_decoded_norm(sdc, kernels, code, scale) : 0.0f;
    const FloatKey k = key(sdc, i, &scale, &norm);
    return k.bias + norm +
            scale * (k.scale * static_cast<float>(2 * dot - k.shift));
}

float get_decoded_norm(
        const SDCQuantizer& sdc,
        const SDCKernels& kernels,
        const uint8_t* code,
        float scale) {
    const float step = scale * sdc.layout.unit();
    return step * step *
            kernels.code_norm(sdc.layout.view(), sdc.query_weight.data(), code);
}

} // namespace faiss_bebr
