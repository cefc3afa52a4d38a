#include "indexes/IndexSDC.h"

#include "codes/check_arguments.h"
#include "codes/float16.h"
#include "indexes/SDCDistanceComputer.h"
#include "indexes/block_scan.h"
#include "indexes/compact_rows.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/ResultHandler.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <typeinfo>

namespace faiss_bebr {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;

IndexSDC::IndexSDC(
        const std::vector<int>& plane_widths,
        faiss::MetricType metric)
        : layout(plane_widths) {
    FAISS_THROW_IF_NOT_MSG(
            metric == METRIC_L2 || metric == METRIC_INNER_PRODUCT,
            "metric must be METRIC_L2 or METRIC_INNER_PRODUCT");
    d = layout.dim();
    metric_type = metric;
    code_size = layout.code_size() + sizeof(uint16_t);
    scale_type = metric == METRIC_L2 ? Scale_least_squares : Scale_unbiased;
    query_weight.assign(d, 1.0f);
    query_offset.assign(d, 0.0f);
}

IndexSDC::IndexSDC(int m, int nbits, faiss::MetricType metric)
        : IndexSDC(PlaneLayout::uniform(m, nbits).plane_widths, metric) {}

namespace {

std::vector<int> first_planes(const BinarizerTransform& binarizer, int nbits) {
    const std::vector<int>& widths = binarizer.layout.plane_widths;
    FAISS_THROW_IF_NOT_FMT(
            nbits >= 1 && nbits <= int(widths.size()),
            "nbits must be in 1..%zd, the binarizer's, got %d",
            widths.size(),
            nbits);
    return std::vector<int>(widths.begin(), widths.begin() + nbits);
}

} // namespace

IndexSDC::IndexSDC(
        const BinarizerTransform& binarizer_in,
        int nbits,
        faiss::MetricType metric)
        : IndexSDC(first_planes(binarizer_in, nbits), metric) {
    if (metric == METRIC_INNER_PRODUCT && layout == binarizer_in.layout) {
        scale_type = Scale_cosine;
    }
    binarizer = &binarizer_in;
    is_trained = false;
    if (binarizer->is_trained) {
        train(0, nullptr);
    }
}

void IndexSDC::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    check_query_map(d, weight, offset);
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes belong to the present query map");
    query_weight = weight;
    query_offset = offset;
}

void IndexSDC::set_scale_type(ScaleType type) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present type of scale");
    scale_type = type;
}

void IndexSDC::train(idx_t, const float*) {
    if (!binarizer) {
        return; // the levels are fixed: nothing to learn
    }
    FAISS_THROW_IF_NOT_MSG(
            binarizer->is_trained, "train the binarizer before the index");
    set_query_map(binarizer->query_weight, binarizer->query_offset);
    binarizer = nullptr;
    is_trained = true;
}

void IndexSDC::add(idx_t n, const float* x) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    std::vector<uint8_t> fresh(n * code_size);
    sa_encode(n, x, fresh.data());
    add_sa_codes(n, fresh.data(), nullptr);
}

void IndexSDC::add_sa_codes(
        idx_t n,
        const uint8_t* codes_in,
        const idx_t* xids) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    IndexFlatCodes::add_sa_codes(n, codes_in, xids);
}

size_t IndexSDC::remove_ids(const faiss::IDSelector& sel) {
    const idx_t kept = compact_rows(codes.data(), code_size, ntotal, sel);
    const size_t nremove = ntotal - kept;
    ntotal = kept;
    codes.resize(ntotal * code_size);
    return nremove;
}

namespace {

/// the scale of y, whose quantized values are V * unit
float choose_scale(
        const IndexSDC& index,
        const float* y,
        const uint8_t* levels) {
    double yy = 0, yv = 0, vv = 0, total_weight = 0;
    const double unit = index.layout.unit();
    for (int i = 0; i < index.d; i++) {
        const double weight = index.query_weight[i];
        const double v = unit * (2 * levels[i] - index.layout.level_base[i]);
        yy += weight * y[i] * y[i];
        yv += weight * y[i] * v;
        vv += weight * v * v;
        total_weight += weight;
    }
    if (index.scale_type == Scale_cosine) {
        return vv > 0 ? static_cast<float>(std::sqrt(total_weight / vv)) : 0;
    }
    if (index.scale_type == Scale_least_squares) {
        return vv > 0 ? static_cast<float>(yv / vv) : 0;
    }
    // values and levels have the same signs, so yv is 0 for y = 0 only
    return yv > 0 ? static_cast<float>(yy / yv) : 0;
}

} // namespace

void IndexSDC::sa_encode(idx_t n, const float* x, uint8_t* bytes) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    check_finite(n, d, x);
    bool overflow = false;
#pragma omp parallel reduction(|| : overflow) if (n > 1000)
    {
        std::vector<uint8_t> levels(d);
#pragma omp for
        for (idx_t i = 0; i < n; i++) {
            uint8_t* code = bytes + i * code_size;
            layout.quantize(x + i * d, levels.data());
            layout.pack(levels.data(), code);
            const uint16_t half = encode_float16(
                    choose_scale(*this, x + i * d, levels.data()));
            overflow = overflow || half == encode_float16(INFINITY);
            std::memcpy(code + layout.code_size(), &half, sizeof(half));
        }
    }
    FAISS_THROW_IF_NOT_MSG(
            !overflow, "x has values too large for the scale of a code");
}

void IndexSDC::sa_decode(idx_t n, const uint8_t* bytes, float* x) const {
#pragma omp parallel if (n > 1000)
    {
        std::vector<uint8_t> levels(d);
#pragma omp for
        for (idx_t i = 0; i < n; i++) {
            const uint8_t* code = bytes + i * code_size;
            layout.unpack(code, levels.data());
            const float step = get_scale(*this, code) * layout.unit();
            for (int j = 0; j < d; j++) {
                x[i * d + j] = step * (2 * levels[j] - layout.level_base[j]);
            }
        }
    }
}

void IndexSDC::reconstruct_n(idx_t i0, idx_t ni, float* recons) const {
    check_id_range(i0, ni, ntotal);
    sa_decode(ni, codes.data() + i0 * code_size, recons);
}

void IndexSDC::quantize_queries(idx_t n, const float* x, float* q) const {
    const LevelQueries queries(*this, n, x);
    for (idx_t i = 0; i < n; i++) {
        for (int j = 0; j < d; j++) {
            const float value = queries.step[i] * queries.levels[i * d + j];
            const bool divide = metric_type == METRIC_L2 && query_weight[j] > 0;
            q[i * d + j] = divide ? value / query_weight[j] : value;
        }
    }
}

void IndexSDC::check_compatible_for_merge(
        const faiss::Index& otherIndex) const {
    const auto* other = dynamic_cast<const IndexSDC*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(
            other && typeid(*this) == typeid(*other),
            "can only merge indexes of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "cannot merge an index into itself");
    FAISS_THROW_IF_NOT_MSG(
            layout == other->layout && scale_type == other->scale_type,
            "codes differ in plane widths or type of scale");
    FAISS_THROW_IF_NOT_MSG(metric_type == other->metric_type, "metrics differ");
    FAISS_THROW_IF_NOT_MSG(
            query_weight == other->query_weight &&
                    query_offset == other->query_offset,
            "query maps differ: the codes come from different binarizers");
}

void IndexSDC::merge_from(faiss::Index& otherIndex, idx_t add_id) {
    FAISS_THROW_IF_NOT_MSG(add_id == 0, "cannot set ids in IndexSDC");
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexSDC&>(otherIndex);
    add_sa_codes(other.ntotal, other.codes.data(), nullptr);
    other.reset();
}

namespace {

struct SDCBlock : DocumentBlock<float> {
    const IndexSDC& index;
    const LevelQueries& queries;
    const SDCKernels& kernels;
    size_t ngroups = 0;
    std::vector<uint8_t> levels;
    std::vector<float> scale;
    std::vector<float> norm; ///< empty for the inner product

    SDCBlock(
            const IndexSDC& index_in,
            const LevelQueries& queries_in,
            size_t block_size)
            : index(index_in),
              queries(queries_in),
              kernels(get_kernels()),
              levels(block_size * index_in.d),
              scale(block_size),
              norm(index_in.metric_type == METRIC_L2 ? block_size : 0) {}

    void load(const idx_t* ids, size_t n) override {
        const PlanesView view = index.layout.view();
        ngroups = (n + kGroup - 1) / kGroup;
        for (size_t j = 0; j < n; j += kGroup) {
            const uint8_t* rows[kGroup];
            const size_t nrows = std::min(kGroup, n - j);
            std::fill(scale.data() + j, scale.data() + j + kGroup, 0.0f);
            for (size_t k = 0; k < nrows; k++) {
                rows[k] = index.codes.data() + ids[j + k] * index.code_size;
                scale[j + k] = get_scale(index, rows[k]);
            }
            uint8_t* group = levels.data() + j * index.d;
            kernels.unpack_group(view, rows, nrows, group);
            if (!norm.empty()) {
                get_decoded_norms(
                        index, group, scale.data() + j, norm.data() + j);
            }
        }
    }

    void compute(size_t q0, size_t nq, int32_t* dots) override {
        kernels.dots(
                index.d,
                queries.levels.data() + q0 * index.d,
                nq,
                levels.data(),
                ngroups,
                dots);
    }

    size_t collect(
            size_t q,
            const int32_t* dots,
            float threshold,
            uint32_t* hits,
            float* keys) override {
        const FloatKey key = queries.key(
                index, q, scale.data(), norm.empty() ? nullptr : norm.data());
        return kernels.collect_float(
                key, dots, ngroups * kGroup, threshold, hits, keys);
    }
};

ScanTask<float> make_task(
        const IndexSDC& index,
        const LevelQueries& queries,
        const faiss::SearchParameters* params) {
    const faiss::IDSelector* sel = params ? params->sel : nullptr;
    const size_t block_size = get_block_size(index.d);
    return {queries.step.size(),
            index.ntotal,
            sel,
            block_size,
            size_t(index.d),
            [&index, &queries, block_size]() {
                return std::make_unique<SDCBlock>(index, queries, block_size);
            }};
}

} // namespace

void IndexSDC::search(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_FMT(k > 0, "k must be positive, got %d", int(k));
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const LevelQueries queries(*this, n, x);
    scan_knn(make_task(*this, queries, params), k, distances, labels);
    for (idx_t i = 0; i < n * k; i++) {
        distances[i] = key_to_distance(*this, distances[i]);
    }
}

void IndexSDC::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(!std::isnan(radius), "radius is NaN");
    const LevelQueries queries(*this, n, x);
    scan_range<float>(
            make_task(*this, queries, params),
            metric_type == METRIC_L2 ? radius : -radius,
            [this](float key) { return key_to_distance(*this, key); },
            result);
}

faiss::FlatCodesDistanceComputer* IndexSDC::get_FlatCodesDistanceComputer()
        const {
    return new SDCDistanceComputer(*this);
}

void IndexSDC::search1(
        const float* x,
        faiss::ResultHandler& handler,
        faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const faiss::IDSelector* sel = params ? params->sel : nullptr;
    SDCDistanceComputer computer(*this);
    computer.set_query(x);
    for (idx_t i = 0; i < ntotal; i++) {
        if (!sel || sel->is_member(i)) {
            const float distance = computer(i);
            const bool is_better = metric_type == METRIC_L2
                    ? distance < handler.threshold
                    : distance > handler.threshold;
            if (is_better) {
                handler.add_result(distance, i);
            }
        }
    }
}

} // namespace faiss_bebr
