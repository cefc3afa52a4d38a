#include "codes/CodeChooser.h"

#include "codes/lane_sums.h"

#include <cmath>

namespace faiss_bebr {

namespace {

constexpr double kAlongQuery = 10;
constexpr double kAlongResidual = 1;

} // namespace

CodeChooser::CodeChooser(const SDCQuantizer& sdc_in)
        : levels(sdc_in.layout.coded_dim()),
          sdc(sdc_in),
          has_plain_range(sdc.has_plain_range()),
          has_direction(!has_plain_range && sdc.scale_type != Scale_cosine),
          unit_range(levels.size()),
          square_weight(levels.size()),
          inverse_weight(sdc.dim()),
          y_part(levels.size()),
          x_part(levels.size()),
          attempt(levels.size()),
          integers(levels.size()) {
    for (int j = 0; j < sdc.dim(); j++) {
        const double weight = sdc.query_weight[j];
        inverse_weight[j] = weight > 0 ? 1 / weight : 0;
    }
    for (size_t j = 0; j < levels.size(); j++) {
        const double weight = sdc.query_weight[j];
        total_weight += weight;
        unit_range[j] = double(sdc.layout.unit()) * sdc.range[j];
        square_weight[j] = weight * unit_range[j] * unit_range[j];
    }
    for (size_t i = 0; i < kSteps.size() && !has_plain_range; i++) {
        for (float range : sdc.range) {
            const float divisor = range * (sdc.grid_step * kSteps[i]);
            // without variance all is 0
            divisors[i].push_back(divisor > 0 ? divisor : INFINITY);
        }
    }
}

void CodeChooser::set_direction(const float* y, const float* x) {
    const bool is_query = sdc.scale_type == Scale_unbiased;
    const bool has_offset =
            is_query && sdc.metric_type == faiss::METRIC_INNER_PRODUCT;
    const float* seen = is_query ? x : y;
    const float* weight = sdc.query_weight.data();
    const float* offset = sdc.query_offset.data();
    const auto direction = [=](int j) {
        const double mapped = double(weight[j]) * seen[j];
        return has_offset ? mapped + offset[j] : mapped;
    };
    along_y = sum_in_lanes<double>(
            sdc.dim(), [=](int j) { return direction(j) * y[j]; });
    const double* inverse = inverse_weight.data();
    const double norm = sum_in_lanes<double>(sdc.dim(), [=](int j) {
        return direction(j) * direction(j) * inverse[j];
    });
    const double factor = is_query ? kAlongQuery : kAlongResidual;
    along = norm > 0 ? factor / norm : 0;
    for (size_t j = 0; j < x_part.size(); j++) {
        x_part[j] = direction(int(j)) * unit_range[j];
    }
}

void CodeChooser::set_vector(const float* y, const float* x) {
    for (size_t j = 0; j < y_part.size(); j++) {
        y_part[j] = double(sdc.query_weight[j]) * y[j] * unit_range[j];
    }
    if (has_direction) {
        set_direction(y, x);
    }
}

CodeChooser::Products CodeChooser::try_step(
        const float* y,
        size_t step,
        uint8_t* code_levels) {
    sdc.layout.quantize(
            y, code_levels, has_plain_range ? nullptr : divisors[step].data());
    const int m = sdc.layout.coded_dim();
    const uint8_t* base = sdc.layout.level_base.data();
    float* v = integers.data();
    for (int j = 0; j < m; j++) {
        v[j] = static_cast<float>(2 * code_levels[j] - base[j]);
    }
    const auto multiply = [=](const double* part) {
        return sum_in_lanes<double>(m, [=](int j) { return part[j] * v[j]; });
    };
    const double* squares = square_weight.data();
    Products sums;
    sums.yv = multiply(y_part.data());
    sums.vv = sum_in_lanes<double>(
            m, [=](int j) { return squares[j] * (v[j] * v[j]); });
    if (has_direction) {
        const double along_v = multiply(x_part.data());
        sums.yv += along * along_y * along_v;
        sums.vv += along * along_v * along_v;
    }
    return sums;
}

float CodeChooser::get_scale(const float* y, const Products& sums) const {
    if (sdc.scale_type == Scale_cosine) {
        return sums.vv > 0
                ? static_cast<float>(std::sqrt(total_weight / sums.vv))
                : 0;
    }
    if (sdc.scale_type == Scale_unbiased && has_plain_range) {
        const float* weight = sdc.query_weight.data();
        const double yy = sum_in_lanes<double>(
                sdc.layout.coded_dim(),
                [=](int j) { return double(weight[j]) * y[j] * y[j]; });
        // values and levels have the same signs, so yv is 0 for y = 0 only
        return sums.yv > 0 ? static_cast<float>(yy / sums.yv) : 0;
    }
    return sums.yv > 0 && sums.vv > 0 ? static_cast<float>(sums.yv / sums.vv)
                                      : 0;
}

float CodeChooser::choose(const float* y, const float* x) {
    set_vector(y, x);
    Products best = try_step(y, 0, levels.data());
    for (size_t i = 1; i < kSteps.size() && !has_plain_range; i++) {
        const Products sums = try_step(y, i, attempt.data());
        if (sums.gain() > best.gain()) {
            best = sums;
            levels.swap(attempt);
        }
    }
    return get_scale(y, best);
}

} // namespace faiss_bebr
