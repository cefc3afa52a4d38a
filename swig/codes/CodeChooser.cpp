#include "codes/CodeChooser.h"

#include <cmath>

namespace faiss_bebr {

namespace {

/// What the step of the grid is multiplied by, beside 1; the first of equal
/// codes is taken. Measured on residuals of embeddings, more of them gain
/// nothing.
constexpr float kSteps[] = {0.6f, 0.75f, 0.9f, 1.1f, 1.3f};

constexpr double kAlongQuery = 10;
constexpr double kAlongResidual = 1;

} // namespace

CodeChooser::CodeChooser(const SDCQuantizer& sdc_in)
        : levels(sdc_in.layout.coded_dim()),
          sdc(sdc_in),
          has_plain_range(sdc.has_plain_range()),
          attempt(levels.size()),
          direction(sdc.dim()) {
    for (size_t j = 0; j < levels.size(); j++) {
        total_weight += sdc.query_weight[j];
    }
}

void CodeChooser::set_direction(const float* y, const float* x) {
    const bool is_query = sdc.scale_type == Scale_unbiased;
    const bool has_offset =
            is_query && sdc.metric_type == faiss::METRIC_INNER_PRODUCT;
    double norm = 0;
    along_y = 0;
    for (int j = 0; j < sdc.dim(); j++) {
        const double weight = sdc.query_weight[j];
        direction[j] = weight * (is_query ? x[j] : y[j]) +
                (has_offset ? sdc.query_offset[j] : 0.0f);
        along_y += direction[j] * y[j];
        norm += weight > 0 ? direction[j] * direction[j] / weight : 0;
    }
    const double factor = is_query ? kAlongQuery : kAlongResidual;
    along = norm > 0 ? factor / norm : 0;
}

CodeChooser::Products CodeChooser::multiply(
        const float* y,
        const std::vector<uint8_t>& code_levels) const {
    Products sums;
    double along_v = 0;
    const double unit = sdc.layout.unit();
    for (size_t j = 0; j < code_levels.size(); j++) {
        const double weight = sdc.query_weight[j];
        const double v = unit *
                (2 * code_levels[j] - sdc.layout.level_base[j]) * sdc.range[j];
        sums.yy += weight * y[j] * y[j];
        sums.yv += weight * y[j] * v;
        sums.vv += weight * v * v;
        along_v += direction[j] * v;
    }
    sums.yv += along * along_y * along_v;
    sums.vv += along * along_v * along_v;
    return sums;
}

float CodeChooser::get_scale(const Products& sums) const {
    if (sdc.scale_type == Scale_cosine) {
        return sums.vv > 0
                ? static_cast<float>(std::sqrt(total_weight / sums.vv))
                : 0;
    }
    if (sdc.scale_type == Scale_unbiased && has_plain_range) {
        // values and levels have the same signs, so yv is 0 for y = 0 only
        return sums.yv > 0 ? static_cast<float>(sums.yy / sums.yv) : 0;
    }
    return sums.yv > 0 && sums.vv > 0 ? static_cast<float>(sums.yv / sums.vv)
                                      : 0;
}

float CodeChooser::choose(const float* y, const float* x) {
    const float* range = sdc.range.data();
    if (!has_plain_range && sdc.scale_type != Scale_cosine) {
        set_direction(y, x);
    }
    sdc.layout.quantize(y, levels.data(), range, sdc.grid_step);
    Products best = multiply(y, levels);
    if (has_plain_range) {
        return get_scale(best);
    }
    for (float step : kSteps) {
        sdc.layout.quantize(y, attempt.data(), range, sdc.grid_step * step);
        const Products sums = multiply(y, attempt);
        if (sums.gain() > best.gain()) {
            best = sums;
            levels.swap(attempt);
        }
    }
    return get_scale(best);
}

} // namespace faiss_bebr
