#include "codes/SDCQuantizer.h"

#include "codes/check_arguments.h"
#include "codes/float16.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/FaissAssert.h>

#include <cmath>
#include <cstring>

namespace faiss_bebr {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;

SDCQuantizer::SDCQuantizer(
        const std::vector<int>& plane_widths,
        faiss::MetricType metric)
        : layout(plane_widths), metric_type(metric) {
    FAISS_THROW_IF_NOT_MSG(
            metric == METRIC_L2 || metric == METRIC_INNER_PRODUCT,
            "metric must be METRIC_L2 or METRIC_INNER_PRODUCT");
    scale_type = metric == METRIC_L2 ? Scale_least_squares : Scale_unbiased;
    query_weight.assign(dim(), 1.0f);
    query_offset.assign(dim(), 0.0f);
}

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

SDCQuantizer::SDCQuantizer(
        const BinarizerTransform& binarizer,
        int nbits,
        faiss::MetricType metric)
        : SDCQuantizer(first_planes(binarizer, nbits), metric) {
    if (metric == METRIC_INNER_PRODUCT && layout == binarizer.layout) {
        scale_type = Scale_cosine;
    }
}

void SDCQuantizer::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    check_query_map(dim(), weight, offset);
    query_weight = weight;
    query_offset = offset;
}

void SDCQuantizer::take_query_map(const BinarizerTransform& binarizer) {
    FAISS_THROW_IF_NOT_MSG(
            binarizer.is_trained, "train the binarizer before the index");
    set_query_map(binarizer.query_weight, binarizer.query_offset);
}

void SDCQuantizer::check_first_planes(
        const BinarizerTransform& binarizer) const {
    FAISS_THROW_IF_NOT_MSG(
            first_planes(binarizer, layout.nplanes()) == layout.plane_widths,
            "the planes are not the first ones of the binarizer");
}

void SDCQuantizer::train_range(size_t n, const float* x) {
    // half the width of the grid in standard deviations (Max, 1960)
    static const double half_width[PlaneLayout::max_nbits] = {
            1.596, 1.991, 2.344, 2.681, 3.010, 3.328, 3.636, 3.933};
    check_finite(n, dim(), x);
    double sum = 0;
    for (size_t i = 0; i < n * dim(); i++) {
        sum += double(x[i]) * x[i];
    }
    FAISS_THROW_IF_NOT_MSG(sum > 0, "cannot train on zeros only");
    const double deviation = std::sqrt(sum / (double(n) * dim()));
    const auto trained = static_cast<float>(
            deviation * half_width[layout.nplanes() - 1] / 2);
    FAISS_THROW_IF_NOT_FMT(
            std::isnormal(trained),
            "cannot train on values of deviation %g: too small or too large",
            deviation);
    range = trained;
}

namespace {

/// the scale of y, whose quantized values are V * unit
float choose_scale(
        const SDCQuantizer& sdc,
        const float* y,
        const uint8_t* levels) {
    double yy = 0, yv = 0, vv = 0, total_weight = 0;
    const double unit = sdc.layout.unit();
    for (int i = 0; i < sdc.dim(); i++) {
        const double weight = sdc.query_weight[i];
        const double v = unit * (2 * levels[i] - sdc.layout.level_base[i]);
        yy += weight * y[i] * y[i];
        yv += weight * y[i] * v;
        vv += weight * v * v;
        total_weight += weight;
    }
    if (sdc.scale_type == Scale_cosine) {
        return vv > 0 ? static_cast<float>(std::sqrt(total_weight / vv)) : 0;
    }
    if (sdc.scale_type == Scale_least_squares) {
        return vv > 0 ? static_cast<float>(yv / vv) : 0;
    }
    // values and levels have the same signs, so yv is 0 for y = 0 only
    return yv > 0 ? static_cast<float>(yy / yv) : 0;
}

/// @param levels  working memory, size dim()
/// @return        whether the scale is too large for a float16
bool encode_vector(
        const SDCQuantizer& sdc,
        const float* y,
        uint8_t* code,
        std::vector<uint8_t>& levels) {
    sdc.layout.quantize(y, levels.data(), sdc.range);
    sdc.layout.pack(levels.data(), code);
    const uint16_t half = encode_float16(choose_scale(sdc, y, levels.data()));
    std::memcpy(code + sdc.layout.code_size(), &half, sizeof(half));
    return half == encode_float16(INFINITY);
}

} // namespace

void SDCQuantizer::compute_codes(const float* x, uint8_t* codes, size_t n)
        const {
    check_finite(n, dim(), x);
    bool overflow = false;
#pragma omp parallel reduction(|| : overflow) if (n > 1000)
    {
        std::vector<uint8_t> levels(dim());
#pragma omp for
        for (int64_t i = 0; i < int64_t(n); i++) {
            const bool too_large = encode_vector(
                    *this, x + i * dim(), codes + i * code_size(), levels);
            overflow = overflow || too_large;
        }
    }
    FAISS_THROW_IF_NOT_MSG(
            !overflow, "x has values too large for the scale of a code");
}

void SDCQuantizer::decode(const uint8_t* codes, float* x, size_t n) const {
#pragma omp parallel if (n > 1000)
    {
        std::vector<uint8_t> levels(dim());
#pragma omp for
        for (int64_t i = 0; i < int64_t(n); i++) {
            const uint8_t* code = codes + i * code_size();
            layout.unpack(code, levels.data());
            const float step = get_scale(code) * layout.unit();
            for (int j = 0; j < dim(); j++) {
                x[i * dim() + j] =
                        step * (2 * levels[j] - layout.level_base[j]);
            }
        }
    }
}

float SDCQuantizer::get_scale(const uint8_t* code) const {
    uint16_t half;
    std::memcpy(&half, code + layout.code_size(), sizeof(half));
    return decode_float16(half);
}

void SDCQuantizer::check_compatible(const SDCQuantizer& other) const {
    FAISS_THROW_IF_NOT_MSG(
            layout == other.layout && scale_type == other.scale_type &&
                    range == other.range,
            "codes differ in plane widths, type of scale or range");
    FAISS_THROW_IF_NOT_MSG(metric_type == other.metric_type, "metrics differ");
    FAISS_THROW_IF_NOT_MSG(
            query_weight == other.query_weight &&
                    query_offset == other.query_offset,
            "query maps differ: the codes come from different binarizers");
}

} // namespace faiss_bebr
