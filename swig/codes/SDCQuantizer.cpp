#include "codes/SDCQuantizer.h"

#include "codes/check_arguments.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/FaissAssert.h>

#include <cmath>

namespace faiss_bebr {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;

SDCQuantizer::SDCQuantizer(
        const std::vector<int>& plane_widths,
        faiss::MetricType metric,
        int d,
        size_t ncentroids_in)
        : layout(plane_widths, d),
          metric_type(metric),
          ncentroids(ncentroids_in) {
    FAISS_THROW_IF_NOT_MSG(
            metric == METRIC_L2 || metric == METRIC_INNER_PRODUCT,
            "metric must be METRIC_L2 or METRIC_INNER_PRODUCT");
    check_ncentroids(ncentroids);
    scale_type = metric == METRIC_L2 ? Scale_least_squares : Scale_unbiased;
    range.assign(layout.coded_dim(), 1.0f);
    query_weight.assign(dim(), 1.0f);
    query_offset.assign(dim(), 0.0f);
    update_coded_map();
}

namespace {

/// @param nbits  0: what the binarizer is trained for
std::vector<int> get_widths(const BinarizerTransform& binarizer, int nbits) {
    if (nbits == 0 && !binarizer.document_plane_widths.empty()) {
        return binarizer.document_plane_widths;
    }
    const std::vector<int>& widths = binarizer.layout.plane_widths;
    FAISS_THROW_IF_NOT_FMT(
            nbits >= 0 && nbits <= int(widths.size()),
            "nbits must be in 1..%zd, the binarizer's, or 0, got %d",
            widths.size(),
            nbits);
    return std::vector<int>(
            widths.begin(), nbits == 0 ? widths.end() : widths.begin() + nbits);
}

} // namespace

SDCQuantizer::SDCQuantizer(
        const BinarizerTransform& binarizer,
        int nbits,
        faiss::MetricType metric,
        bool has_centroids)
        : SDCQuantizer(
                  binarizer,
                  get_widths(binarizer, nbits),
                  metric,
                  nbits == 0 && has_centroids ? binarizer.ncentroids : 0) {}

SDCQuantizer::SDCQuantizer(
        const BinarizerTransform& binarizer,
        const std::vector<int>& plane_widths,
        faiss::MetricType metric,
        size_t ncentroids_in)
        : SDCQuantizer(
                  plane_widths,
                  metric,
                  binarizer.layout.dim(),
                  ncentroids_in) {
    check_fits(binarizer);
    if (metric == METRIC_INNER_PRODUCT && layout == binarizer.layout &&
        ncentroids == 0 && !binarizer.continuous) {
        scale_type = Scale_cosine;
    }
    if (needs_training(binarizer) || binarizer.document_code_size > 0) {
        set_scale_bytes(1);
    }
}

void SDCQuantizer::update_coded_map() {
    const int m = layout.coded_dim();
    coded_weight.resize(m);
    coded_offset.resize(m);
    for (int i = 0; i < m; i++) {
        coded_weight[i] = query_weight[i] * range[i] * range[i];
        coded_offset[i] = query_offset[i] * range[i];
    }
    origin.assign(dim(), 0.0f);
    for (int i = 0; i < dim(); i++) {
        const float centre = query_offset[i] / query_weight[i];
        origin[i] = std::isfinite(centre) ? centre : 0;
    }
}

void SDCQuantizer::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    check_query_map(dim(), weight, offset);
    query_weight = weight;
    query_offset = offset;
    update_coded_map();
}

void SDCQuantizer::set_error_weight(const std::vector<float>& weight) {
    check_error_weight(dim(), weight);
    error_weight = weight;
}

void SDCQuantizer::set_range(
        const std::vector<float>& range_in,
        float grid_step_in) {
    FAISS_THROW_IF_NOT_FMT(
            range_in.size() == size_t(layout.coded_dim()),
            "range must have size %d, got %zd",
            layout.coded_dim(),
            range_in.size());
    for (float value : range_in) {
        FAISS_THROW_IF_NOT_FMT(
                std::isfinite(value) && value >= 0,
                "range must be finite and not negative, got %g",
                value);
    }
    FAISS_THROW_IF_NOT_FMT(
            std::isfinite(grid_step_in) && grid_step_in > 0,
            "grid_step must be finite and positive, got %g",
            grid_step_in);
    range = range_in;
    grid_step = grid_step_in;
    update_coded_map();
}

bool SDCQuantizer::has_plain_range() const {
    return grid_step == 1 &&
            std::all_of(
                    range.begin(), range.end(), [](float r) { return r == 1; });
}

void SDCQuantizer::take_shape(
        const BinarizerTransform& binarizer,
        bool has_centroids) {
    const SDCQuantizer fresh(binarizer, 0, metric_type, has_centroids);
    FAISS_THROW_IF_NOT_FMT(
            fresh.dim() == dim(),
            "the index is of %d dimensions, the binarizer's output of %d",
            dim(),
            fresh.dim());
    layout = fresh.layout;
    ncentroids = fresh.ncentroids;
    set_scale_bytes(fresh.scale_bytes);
    if (scale_type == Scale_cosine) {
        scale_type = fresh.scale_type;
    }
    set_range(fresh.range);
}

void SDCQuantizer::take_query_map(const BinarizerTransform& binarizer) {
    FAISS_THROW_IF_NOT_MSG(
            binarizer.is_trained, "train the binarizer before the index");
    set_query_map(binarizer.query_weight, binarizer.query_offset);
    set_error_weight(binarizer.error_weight);
}

void SDCQuantizer::check_fits(const BinarizerTransform& binarizer) const {
    const std::vector<int>& deep = binarizer.layout.plane_widths;
    const std::vector<int>& widths = layout.plane_widths;
    bool fits = widths.size() <= deep.size() && dim() == binarizer.layout.dim();
    for (size_t t = 0; fits && t < widths.size(); t++) {
        fits = widths[t] <= deep[t];
    }
    FAISS_THROW_IF_NOT_FMT(
            fits,
            "the planes are not within those of the binarizer, which has %zd "
            "for vectors of %d dimensions",
            deep.size(),
            binarizer.layout.dim());
}

bool SDCQuantizer::needs_training(const BinarizerTransform& binarizer) const {
    const std::vector<int>& widths = layout.plane_widths;
    return ncentroids > 0 || scale_bytes == 1 ||
            !std::equal(
                    widths.begin(),
                    widths.end(),
                    binarizer.layout.plane_widths.begin());
}

void SDCQuantizer::train_range(size_t n, const float* y, const float* x) {
    // half the width of the grid in standard deviations (Max, 1960)
    static const double half_width[PlaneLayout::max_nbits] = {
            1.596, 1.991, 2.344, 2.681, 3.010, 3.328, 3.636, 3.933};
    check_finite(n, dim(), y);
    const int m = layout.coded_dim();
    std::vector<double> sums(m);
    for (size_t i = 0; i < n; i++) {
        for (int j = 0; j < m; j++) {
            sums[j] += double(y[i * dim() + j]) * y[i * dim() + j];
        }
    }
    std::vector<float> trained(m);
    int nplanes = layout.nplanes();
    for (int j = 0; j < m; j++) {
        while (j >= layout.plane_widths[nplanes - 1]) {
            nplanes--;
        }
        const double deviation = std::sqrt(sums[j] / double(n));
        trained[j] =
                static_cast<float>(deviation * half_width[nplanes - 1] / 2);
        FAISS_THROW_IF_NOT_FMT(
                sums[j] == 0 || std::isnormal(trained[j]),
                "cannot train on values of deviation %g: too small or too "
                "large",
                deviation);
    }
    const bool has_variance = std::any_of(
            trained.begin(), trained.end(), [](float r) { return r > 0; });
    FAISS_THROW_IF_NOT_MSG(
            has_variance || ncentroids == 0,
            "cannot train: vectors are equal to their centroids, there have "
            "to be more different vectors than centroids");
    FAISS_THROW_IF_NOT_MSG(has_variance, "cannot train on zeros only");
    set_range(trained);
    if (scale_bytes == 1) {
        train_scales(n, y, x ? x : y);
    }
}

/// error_weight may differ: it is in the choice of codes, not in what they mean
void SDCQuantizer::check_compatible(const SDCQuantizer& other) const {
    FAISS_THROW_IF_NOT_MSG(
            layout == other.layout && scale_type == other.scale_type &&
                    range == other.range && grid_step == other.grid_step,
            "codes differ in plane widths, type of scale or range");
    FAISS_THROW_IF_NOT_MSG(
            scale_bytes == other.scale_bytes &&
                    scale_values == other.scale_values &&
                    centroid_scales == other.centroid_scales,
            "codes differ in their scales");
    FAISS_THROW_IF_NOT_MSG(
            ncentroids == other.ncentroids && centroids == other.centroids,
            "codes differ in their centroids");
    FAISS_THROW_IF_NOT_MSG(metric_type == other.metric_type, "metrics differ");
    FAISS_THROW_IF_NOT_MSG(
            query_weight == other.query_weight &&
                    query_offset == other.query_offset,
            "query maps differ: the codes come from different binarizers");
}

} // namespace faiss_bebr
