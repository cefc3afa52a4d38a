#include "indexes/sdc_queries.h"

#include "codes/check_arguments.h"
#include "codes/lane_sums.h"
#include "indexes/MappedQuery.h"
#include "indexes/parallel_for.h"

#include <faiss/impl/FaissException.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace faiss_bebr {

using faiss::idx_t;
using faiss::METRIC_L2;

float key_to_distance(faiss::MetricType metric_type, float key) {
    return metric_type == METRIC_L2 ? std::max(key, 0.0f) : -key;
}

namespace {

/** What a query counts as after the query map: in dimensions with levels what
 * these stand for, in the others itself.
 * @param mapped  input and output, size dim()
 */
void decode_levels(
        const SDCQuantizer& sdc,
        float step,
        const int8_t* levels,
        std::vector<float>& mapped) {
    for (int j = 0; j < sdc.layout.coded_dim(); j++) {
        if (sdc.range[j] > 0) {
            mapped[j] = step * levels[j] / sdc.range[j];
        }
    }
}

/** Run body(i, mapped) for all queries, of many with all threads. The exception
 * that comes out is that of the first query which has one.
 * @param body  its second argument is working memory, a MappedQuery
 */
template <class Body>
void for_each_query(const SDCQuantizer& sdc, size_t n, const Body& body) {
    constexpr size_t at_once = 16;
    const auto run = [&](size_t begin, size_t end) {
        MappedQuery mapped(sdc);
        for (size_t i = begin; i < end; i++) {
            body(i, mapped);
        }
    };
    try {
        parallel_for((n + at_once - 1) / at_once, 16, [&](idx_t t) {
            run(t * at_once, std::min((t + 1) * at_once, n));
        });
    } catch (const faiss::FaissException&) {
        run(0, n);
    }
}

} // namespace

void check_queries(const SDCQuantizer& sdc, size_t n, const float* x) {
    check_finite(n, sdc.dim(), x);
    sdc.check_trained();
    for_each_query(sdc, n, [&](size_t i, MappedQuery& mapped) {
        mapped.set(sdc, x, i);
    });
}

size_t get_query_batch(const SDCQuantizer& sdc) {
    if (sdc.ncentroids == 0) {
        return std::numeric_limits<size_t>::max();
    }
    constexpr size_t max_keys = 1 << 24;
    return std::max<size_t>(256, max_keys / sdc.ncentroids);
}

LevelQueries::LevelQueries(const SDCQuantizer& sdc, size_t n, const float* x) {
    set(sdc, n, x);
    fill_centroid_keys(sdc);
}

void LevelQueries::set(
        const SDCQuantizer& sdc,
        size_t n,
        const float* x,
        bool keeps_decoded) {
    const int d = sdc.dim(), m = sdc.layout.coded_dim();
    check_finite(n, d, x);
    sdc.check_trained();
    keeps_decoded = keeps_decoded || sdc.ncentroids > 0;
    levels.assign(n * m, 0);
    step.assign(n, 0);
    shift.assign(n, 0);
    bias.assign(n, 0);
    decoded.resize(keeps_decoded ? n * d : 0);
    centroid_keys.assign(
            n * sdc.ncentroids, std::numeric_limits<float>::quiet_NaN());
    for_each_query(sdc, n, [&](size_t i, MappedQuery& mapped) {
        set_query(sdc, x, i, mapped);
    });
}

/// @param query  working memory
void LevelQueries::set_query(
        const SDCQuantizer& sdc,
        const float* x,
        size_t i,
        MappedQuery& query) {
    const int d = sdc.dim(), m = sdc.layout.coded_dim();
    const bool is_l2 = sdc.metric_type == METRIC_L2;
    const float one_step = query.set(sdc, x, i) / 127;
    step[i] = one_step;
    const float* ranged = query.ranged.data();
    int8_t* row = levels.data() + i * m;
    // a step of 0 is that of zeros or denormals, whose levels are all 0
    for (int j = 0; j < m && one_step > 0; j++) {
        // to the nearest integer, even ones in the middle: what is about
        // 127 at most has no digits after the point beside this
        constexpr float shifter = 3 << 22;
        const float level = (ranged[j] / one_step + shifter) - shifter;
        row[j] =
                static_cast<int8_t>(std::min(std::max(level, -127.0f), 127.0f));
    }
    const uint8_t* base = sdc.layout.level_base.data();
    int32_t sum = 0;
    for (int j = 0; j < m; j++) {
        sum += row[j] * base[j];
    }
    shift[i] = sum;
    std::vector<float>& mapped = query.values;
    if (!is_l2 && decoded.empty()) {
        return;
    }
    decode_levels(sdc, step[i], row, mapped);
    for (int j = 0; is_l2 && j < d; j++) {
        if (sdc.query_weight[j] > 0) {
            const float q = mapped[j];
            mapped[j] /= sdc.query_weight[j];
            bias[i] += sdc.ncentroids == 0 ? q * q / sdc.query_weight[j] : 0;
        }
    }
    if (!sdc.centroid_scales.empty()) {
        bias[i] = get_product(d, mapped.data(), sdc.origin.data());
    }
    if (!decoded.empty()) {
        std::copy(mapped.begin(), mapped.end(), decoded.data() + i * d);
    }
}

namespace {

float compute_centroid_key(
        const SDCQuantizer& sdc,
        const float* decoded,
        float bias,
        size_t number) {
    const float* centroid = sdc.centroids.data() + number * sdc.dim();
    if (sdc.metric_type == METRIC_L2) {
        return get_squared_distance(
                sdc.dim(), sdc.query_weight.data(), decoded, centroid);
    }
    return -get_product(sdc.dim(), decoded, centroid) - bias;
}

} // namespace

void LevelQueries::fill_centroid_key(
        const SDCQuantizer& sdc,
        size_t i,
        const uint8_t* code) {
    if (sdc.ncentroids == 0) {
        return;
    }
    const size_t number = sdc.get_centroid_no(code);
    float& key = centroid_keys[i * sdc.ncentroids + number];
    if (std::isnan(key)) {
        key = compute_centroid_key(
                sdc, decoded.data() + i * sdc.dim(), bias[i], number);
    }
}

void LevelQueries::fill_centroid_keys(const SDCQuantizer& sdc) {
    const size_t n = step.size();
    const size_t nc = sdc.ncentroids;
    // a few centroids stay in the cache for a few queries
    constexpr size_t tile = 16;
    const idx_t nqueries = (n + tile - 1) / tile;
    const idx_t ncolumns = (nc + tile - 1) / tile;
    parallel_for(nqueries * ncolumns, 64, [&](idx_t t) {
        const size_t i0 = t / ncolumns * tile, c0 = t % ncolumns * tile;
        const size_t i1 = std::min(i0 + tile, n), c1 = std::min(c0 + tile, nc);
        if (sdc.metric_type == METRIC_L2) {
            for (size_t i = i0; i < i1; i++) {
                const float* q = decoded.data() + i * sdc.dim();
                for (size_t c = c0; c < c1; c++) {
                    centroid_keys[i * nc + c] =
                            compute_centroid_key(sdc, q, bias[i], c);
                }
            }
            return;
        }
        // what compute_centroid_key() gives, of all at once
        const float zeros[tile] = {0};
        float products[tile * tile];
        get_kernels().rounded_products(
                i1 - i0,
                sdc.dim(),
                c1 - c0,
                decoded.data() + i0 * sdc.dim(),
                sdc.centroids.data() + c0 * sdc.dim(),
                zeros,
                0,
                products);
        for (size_t i = i0; i < i1; i++) {
            const float* row = products + (i - i0) * (c1 - c0);
            for (size_t c = c0; c < c1; c++) {
                centroid_keys[i * nc + c] = -row[c - c0] - bias[i];
            }
        }
    });
}

float LevelQueries::get_key_scale(
        const SDCQuantizer& sdc,
        const PlaneLayout& layout,
        size_t i) const {
    const float sign = sdc.metric_type == METRIC_L2 ? -2.0f : -1.0f;
    return sign * layout.unit() * step[i];
}

FloatKey LevelQueries::key(
        const SDCQuantizer& sdc,
        size_t i,
        const float* doc_scale,
        const float* doc_bias) const {
    return {doc_scale,
            doc_bias,
            get_key_scale(sdc, sdc.layout, i),
            bias[i],
            shift[i]};
}

void LevelQueries::get_keys(
        const SDCQuantizer& sdc,
        DocumentNorms& norms,
        size_t i,
        const int32_t* dots,
        const uint8_t* const* codes,
        size_t n,
        float* keys) const {
    for (size_t j = 0; j < n; j++) {
        keys[j] = static_cast<float>(2 * dots[j] - shift[i]);
    }
    get_keys(
            sdc,
            norms,
            i,
            get_key_scale(sdc, sdc.layout, i),
            keys,
            codes,
            n,
            keys);
}

void LevelQueries::get_keys(
        const SDCQuantizer& sdc,
        DocumentNorms& norms,
        size_t i,
        float key_scale,
        const float* products,
        const uint8_t* const* codes,
        size_t n,
        float* keys) const {
    for (size_t j = 0; j < n; j++) {
        const uint8_t* code = codes[j];
        float doc_bias = sdc.metric_type == METRIC_L2 ? norms(code) : 0.0f;
        if (sdc.ncentroids > 0) {
            const size_t number = sdc.get_centroid_no(code);
            doc_bias += sdc.get_centroid_scale(code) *
                    centroid_keys[i * sdc.ncentroids + number];
        }
        keys[j] = bias[i] + doc_bias +
                sdc.get_scale(code) * (key_scale * products[j]);
    }
}

} // namespace faiss_bebr
