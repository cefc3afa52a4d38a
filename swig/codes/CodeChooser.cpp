#include "codes/CodeChooser.h"

#include "codes/lane_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace faiss_bebr {

namespace {

constexpr double kAlongQuery = 10;
/// where the scale of the centroid makes up for what is lost along x
constexpr double kAlongScaled = 3;
constexpr double kAlongResidual = 1;

/// vectors that are decoded shorter than this part of themselves stay short
constexpr double kLeastNorm = 0.5;

} // namespace

CodeChooser::CodeChooser(const SDCQuantizer& sdc_in)
        : levels(sdc_in.layout.coded_dim()),
          sdc(sdc_in),
          has_plain_range(sdc.has_plain_range()),
          has_values(sdc.has_scale_values()),
          scales_centroids(sdc.needs_centroid_scales()),
          has_direction(
                  scales_centroids ||
                  (!has_plain_range && sdc.scale_type != Scale_cosine)),
          has_error_weight(sdc.has_error_weight()),
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
    if (has_error_weight) {
        set_moves();
    }
}

void CodeChooser::set_moves() {
    errors.resize(sdc.dim());
    gradients.resize(levels.size());
    zeros.resize(levels.size());
    moves.resize(levels.size());
    steps.resize(levels.size());
    for (size_t j = 0; j < levels.size(); j++) {
        int nmissing = 0;
        for (int width : sdc.layout.plane_widths) {
            nmissing += int(j) >= width;
        }
        steps[j] = 1 << nmissing;
        moves[j] = static_cast<float>(2 * steps[j] * unit_range[j]);
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
    xx = sum_in_lanes<double>(sdc.dim(), [=](int j) {
        return direction(j) * direction(j) * inverse[j];
    });
    const double factor = scales_centroids ? kAlongScaled
            : is_query                     ? kAlongQuery
                                           : kAlongResidual;
    along = xx > 0 ? factor / xx : 0;
    if (scales_centroids) {
        cc = sum_in_lanes<double>(sdc.dim(), [=](int j) {
            const double c = direction(j) - double(weight[j]) * y[j];
            return c * c * inverse[j];
        });
    }
    for (size_t j = 0; j < x_part.size(); j++) {
        x_part[j] = direction(int(j)) * unit_range[j];
    }
}

void CodeChooser::set_vector(const float* y, const float* x) {
    for (size_t j = 0; j < y_part.size(); j++) {
        y_part[j] = double(sdc.query_weight[j]) * y[j] * unit_range[j];
    }
    const float* weight = sdc.query_weight.data();
    yy = sum_in_lanes<double>(
            sdc.dim(), [=](int j) { return double(weight[j]) * y[j] * y[j]; });
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
    return get_products(code_levels);
}

CodeChooser::Products CodeChooser::get_products(const uint8_t* code_levels) {
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
    sums.sum_yv = sums.yv;
    sums.sum_vv = sums.vv;
    if (has_direction) {
        sums.xv = multiply(x_part.data());
        sums.sum_yv += along * along_y * sums.xv;
        sums.sum_vv += along * sums.xv * sums.xv;
    }
    return sums;
}

/// by how much the best scale lessens the error
double CodeChooser::get_gain(const Products& sums) const {
    const double yv = sums.sum_yv, vv = sums.sum_vv;
    if (yv <= 0 || vv <= 0) {
        return 0;
    }
    if (!has_values || scales_centroids) {
        return yv * yv / vv;
    }
    const size_t number = sdc.find_scale(static_cast<float>(yv / vv));
    const double rounded = sdc.scale_values[number];
    return rounded * (2 * yv - rounded * vv);
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
    return sums.sum_yv > 0 && sums.sum_vv > 0
            ? static_cast<float>(sums.sum_yv / sums.sum_vv)
            : 0;
}

void CodeChooser::set_centroid_scale(const Products& sums) {
    const double s = scale;
    const double cv = sums.xv - sums.yv;
    const double decoded = cc + 2 * s * cv + s * s * sums.vv;
    const double factor = decoded > 0 ? std::sqrt(xx / decoded) : 1;
    centroid_scale = static_cast<float>(std::min(factor, 1 / kLeastNorm));
    scale *= centroid_scale;
}

/// the pair of scales with least error beside the exact ones
void CodeChooser::round_to_pair(const Products& sums) {
    const double xc = xx - along_y;
    const double cv = sums.xv - sums.yv;
    const double weight_s = sums.vv + along * sums.xv * sums.xv;
    const double weight_t = cc + along * xc * xc;
    const double weight_st = 2 * (cv + along * xc * sums.xv);
    double least = std::numeric_limits<double>::infinity();
    for (size_t i = 0; i < sdc.scale_values.size(); i++) {
        const double ds = double(sdc.scale_values[i]) - scale;
        const double dt = double(sdc.centroid_scales[i]) - centroid_scale;
        const double error =
                ds * (weight_s * ds + weight_st * dt) + weight_t * dt * dt;
        if (error < least) {
            least = error;
            scale_no = static_cast<uint8_t>(i);
        }
    }
    centroid_scale = sdc.centroid_scales[scale_no];
}

double CodeChooser::get_error(const Products& sums) const {
    const double s = scale;
    if (!scales_centroids) {
        const double seen = along_y - s * sums.xv;
        return yy + s * (s * sums.vv - 2 * sums.yv) + along * seen * seen;
    }
    const double t = centroid_scale;
    const double xc = xx - along_y;
    const double cv = sums.xv - sums.yv;
    const double x_decoded = t * xc + s * sums.xv;
    const double decoded = t * t * cc + 2 * s * t * cv + s * s * sums.vv;
    const double seen = xx - x_decoded;
    return xx - 2 * x_decoded + decoded + along * seen * seen;
}

void CodeChooser::choose(const float* y, const float* x) {
    set_vector(y, x);
    Products best = try_step(y, 0, levels.data());
    double best_gain = get_gain(best);
    for (size_t i = 1; i < kSteps.size() && !has_plain_range; i++) {
        const Products sums = try_step(y, i, attempt.data());
        const double gain = get_gain(sums);
        if (gain > best_gain) {
            best = sums;
            best_gain = gain;
            levels.swap(attempt);
        }
    }
    set_scales(y, best);
}

void CodeChooser::set_scales(const float* y, const Products& sums) {
    scale = get_scale(y, sums);
    vv = sums.vv;
    if (scales_centroids) {
        set_centroid_scale(sums);
    }
    if (has_values) {
        if (scales_centroids) {
            round_to_pair(sums);
        } else {
            scale_no = static_cast<uint8_t>(sdc.find_scale(scale));
        }
        scale = sdc.scale_values[scale_no];
    }
    error = get_error(sums);
}

/// sets each level to what leaves the least error; false: none has changed
bool CodeChooser::improve_levels(float move_scale) {
    const int m = int(levels.size());
    const int end = 1 << sdc.layout.nplanes();
    bool has_changed = false;
    for (int j = 0; j < m; j++) {
        const float* weights = sdc.error_weight.data() + size_t(j) * sdc.dim();
        const float move = move_scale * moves[j];
        const float edge = 0.5f * weights[j] * move;
        // NaN, where products overflow, changes nothing
        if (!(std::abs(gradients[j]) > edge) || !(edge > 0)) {
            continue;
        }
        const float nmoves = gradients[j] / (2 * edge);
        const int wanted = levels[j] +
                steps[j] * int(std::lround(std::clamp(nmoves, -256.f, 256.f)));
        const int level = std::clamp(wanted, 0, end - steps[j]);
        if (level == levels[j]) {
            continue;
        }
        const float change = move * float((level - levels[j]) / steps[j]);
        levels[j] = static_cast<uint8_t>(level);
        for (int i = 0; i < m; i++) {
            gradients[i] -= change * weights[i];
        }
        has_changed = true;
    }
    return has_changed;
}

void CodeChooser::reduce_error(const float* y) {
    if (!has_error_weight) {
        return;
    }
    const int m = int(levels.size());
    // as the vector is before both are made longer
    const float decoded_scale = scale / centroid_scale;
    if (!(decoded_scale > 0)) {
        return;
    }
    for (int j = 0; j < sdc.dim(); j++) {
        errors[j] = y[j];
    }
    for (int j = 0; j < m; j++) {
        const int v = 2 * levels[j] - sdc.layout.level_base[j];
        errors[j] -= decoded_scale * float(unit_range[j]) * float(v);
    }
    get_kernels().products(
            1,
            sdc.dim(),
            m,
            errors.data(),
            sdc.error_weight.data(),
            zeros.data(),
            0,
            gradients.data());
    attempt = levels;
    bool has_changed = false;
    for (int i = 0; i < kMaxSweeps && improve_levels(decoded_scale); i++) {
        has_changed = true;
    }
    if (has_changed) {
        set_scales(y, get_products(levels.data()));
    }
    if (!(scale > 0)) {
        // nothing of y would be left, as weights that are not positive
        // semidefinite can have it
        levels = attempt;
        set_scales(y, get_products(levels.data()));
    }
}

} // namespace faiss_bebr
