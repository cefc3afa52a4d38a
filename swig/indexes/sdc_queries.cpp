#include "indexes/sdc_queries.h"

#include "codes/check_arguments.h"
#include "codes/float16.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace faiss_bebr {

float key_to_distance(const IndexSDC& index, float key) {
    return index.metric_type == faiss::METRIC_L2 ? std::max(key, 0.0f) : -key;
}

float get_scale(const IndexSDC& index, const uint8_t* code) {
    uint16_t half;
    std::memcpy(&half, code + index.layout.code_size(), 2);
    return decode_float16(half);
}

LevelQueries::LevelQueries(const IndexSDC& index, size_t n, const float* x)
        : levels(n * index.d), step(n), shift(n), norm(n) {
    const int d = index.d;
    const bool is_l2 = index.metric_type == faiss::METRIC_L2;
    check_finite(n, d, x);
    std::vector<float> mapped(d);
    for (size_t i = 0; i < n; i++) {
        const float* y = x + i * d;
        float max_abs = 0;
        for (int j = 0; j < d; j++) {
            mapped[j] = index.query_weight[j] * y[j];
            if (!is_l2) {
                mapped[j] += index.query_offset[j];
            }
            max_abs = std::max(max_abs, std::fabs(mapped[j]));
        }
        FAISS_THROW_IF_NOT_FMT(
                std::isfinite(max_abs),
                "x[%zd] overflows in the query's map",
                i);
        step[i] = max_abs / 127;
        if (step[i] == 0) {
            continue; // zero or denormal: all levels are 0
        }
        int8_t* row = levels.data() + i * d;
        for (int j = 0; j < d; j++) {
            const float level = std::nearbyint(mapped[j] / step[i]);
            row[j] = static_cast<int8_t>(
                    std::min(std::max(level, -127.0f), 127.0f));
            shift[i] += row[j] * index.layout.level_base[j];
            if (is_l2 && index.query_weight[j] > 0) {
                const float q = step[i] * row[j];
                norm[i] += q * q / index.query_weight[j];
            }
        }
    }
}

FloatKey LevelQueries::key(
        const IndexSDC& index,
        size_t i,
        const float* doc_scale,
        const float* doc_bias) const {
    const float sign = index.metric_type == faiss::METRIC_L2 ? -2.0f : -1.0f;
    return {doc_scale,
            doc_bias,
            sign * index.layout.unit() * step[i],
            norm[i],
            shift[i]};
}

void get_decoded_norms(
        const IndexSDC& index,
        const uint8_t* levels,
        const float* scale,
        float* norm) {
    std::fill(norm, norm + kGroup, 0.0f);
    for (int i = 0; i < index.d; i++) {
        const float weight = index.query_weight[i];
        const int base = index.layout.level_base[i];
        const uint8_t* row = levels + i / 4 * 4 * kGroup + i % 4;
        for (size_t k = 0; k < kGroup; k++) {
            const float value = static_cast<float>(2 * row[4 * k] - base);
            norm[k] += weight * (value * value);
        }
    }
    const float unit = index.layout.unit();
    for (size_t k = 0; k < kGroup; k++) {
        norm[k] *= (scale[k] * unit) * (scale[k] * unit);
    }
}

} // namespace faiss_bebr
