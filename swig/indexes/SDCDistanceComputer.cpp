#include "indexes/SDCDistanceComputer.h"

#include "codes/lane_sums.h"

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
          planes(sdc_in.layout.view()),
          get_norm(sdc_in, sdc_in.layout) {}

void SDCDistanceComputer::set_query(const float* x) {
    try {
        query = std::make_unique<LevelQueries>();
        query->set(sdc, 1, x);
    } catch (const faiss::FaissException&) {
        query.reset();
    }
}

void SDCDistanceComputer::distances(
        const uint8_t* const* rows,
        size_t n,
        float* out) {
    if (!query) {
        const float far = std::numeric_limits<float>::max();
        std::fill(out, out + n, key_to_distance(sdc.metric_type, far));
        return;
    }
    // all are on their way before the first one is waited for
    for (size_t k = 0; k < n; k++) {
        prefetch(rows[k]);
    }
    compute_keys(rows, n, out);
    for (size_t k = 0; k < n; k++) {
        out[k] = key_to_distance(sdc.metric_type, out[k]);
    }
}

void SDCDistanceComputer::compute_keys(
        const uint8_t* const* rows,
        size_t n,
        float* keys) {
    dots.resize(n);
    kernels.code_dots(planes, query->levels.data(), rows, n, dots.data());
    for (size_t k = 0; k < n && sdc.ncentroids > 0; k++) {
        query->fill_centroid_key(sdc, 0, rows[k]);
    }
    query->get_keys(sdc, get_norm, 0, dots.data(), rows, n, keys);
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
    if (sdc.ncentroids > 0) {
        return compare_with_centroids(a, b);
    }
    const float unit = sdc.layout.unit();
    const float step_a = sdc.get_scale(a) * unit;
    const float step_b = sdc.get_scale(b) * unit;
    const float* weight = sdc.coded_weight.data();
    if (sdc.metric_type == faiss::METRIC_L2) {
        return kernels.code_l2sqr(planes, weight, step_a, a, step_b, b);
    }
    const float* offset = sdc.coded_offset.data();
    return step_b * kernels.code_product(planes, weight, offset, step_a, a, b);
}

/// <x, v> for the v of a code and a vector x of the size of codes, which comes
/// in the buffer and is overwritten there
float SDCDistanceComputer::multiply(const uint8_t* code) {
    for (int i = 0; i < planes.dim; i++) {
        buffer[i] *= sdc.range[i];
    }
    const float step = sdc.get_scale(code) * sdc.layout.unit();
    return step *
            kernels.code_product(
                    planes, zeros.data(), buffer.data(), 0, code, code);
}

/// symmetric_dis() of documents c_a + v_a and c_b + v_b
float SDCDistanceComputer::compare_with_centroids(
        const uint8_t* a,
        const uint8_t* b) {
    const int d = sdc.dim();
    const float unit = sdc.layout.unit();
    const float step_a = sdc.get_scale(a) * unit;
    const float step_b = sdc.get_scale(b) * unit;
    const float* weight = sdc.query_weight.data();
    const float* coded_weight = sdc.coded_weight.data();
    const float* c_a = sdc.get_centroid(a);
    const float* c_b = sdc.get_centroid(b);
    buffer.resize(d);
    zeros.resize(planes.dim);
    if (sdc.metric_type == faiss::METRIC_L2) {
        float sum =
                kernels.code_l2sqr(planes, coded_weight, step_a, a, step_b, b);
        if (c_a != c_b) {
            sum += get_squared_distance(d, weight, c_a, c_b);
            for (const uint8_t* code : {a, b}) {
                const float sign = code == a ? 2.0f : -2.0f;
                for (int i = 0; i < planes.dim; i++) {
                    buffer[i] = sign * weight[i] * (c_a[i] - c_b[i]);
                }
                sum += multiply(code);
            }
        }
        return std::max(sum, 0.0f);
    }
    std::vector<float> scaled(2 * d);
    if (!sdc.centroid_scales.empty()) {
        sdc.decode_centroid(a, scaled.data());
        sdc.decode_centroid(b, scaled.data() + d);
        c_a = scaled.data();
        c_b = c_a + d;
    }
    // q = w (c_a + v_a) + o
    for (int i = 0; i < d; i++) {
        buffer[i] = weight[i] * c_a[i] + sdc.query_offset[i];
    }
    float sum = get_product(d, buffer.data(), c_b);
    for (int i = 0; i < planes.dim; i++) {
        buffer[i] *= sdc.range[i];
    }
    sum += step_b *
            kernels.code_product(
                    planes, coded_weight, buffer.data(), step_a, a, b);
    for (int i = 0; i < planes.dim; i++) {
        buffer[i] = weight[i] * c_b[i];
    }
    return sum + multiply(a);
}

} // namespace faiss_bebr
