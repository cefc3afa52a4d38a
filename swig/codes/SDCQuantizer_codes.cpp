// SDCQuantizer: from vectors to codes and back.

#include "codes/SDCQuantizer.h"

#include "codes/check_arguments.h"
#include "codes/float16.h"

#include <faiss/impl/FaissAssert.h>

#include <cmath>

namespace faiss_bebr {

namespace {

/// of a vector y and its quantized values v = V * unit * range, weighted
struct Products {
    double yy = 0, yv = 0, vv = 0;
};

Products multiply(
        const SDCQuantizer& sdc,
        const float* y,
        const uint8_t* levels) {
    Products sums;
    const double unit = sdc.layout.unit();
    for (int i = 0; i < sdc.layout.coded_dim(); i++) {
        const double weight = sdc.query_weight[i];
        const double v = unit * (2 * levels[i] - sdc.layout.level_base[i]) *
                sdc.range[i];
        sums.yy += weight * y[i] * y[i];
        sums.yv += weight * y[i] * v;
        sums.vv += weight * v * v;
    }
    return sums;
}

float choose_scale(const SDCQuantizer& sdc, const Products& sums) {
    if (sdc.scale_type == Scale_cosine) {
        double total_weight = 0;
        for (int i = 0; i < sdc.layout.coded_dim(); i++) {
            total_weight += sdc.query_weight[i];
        }
        return sums.vv > 0
                ? static_cast<float>(std::sqrt(total_weight / sums.vv))
                : 0;
    }
    if (sdc.scale_type == Scale_least_squares) {
        return sums.vv > 0 ? static_cast<float>(sums.yv / sums.vv) : 0;
    }
    // values and levels have the same signs, so yv is 0 for y = 0 only
    return sums.yv > 0 ? static_cast<float>(sums.yy / sums.yv) : 0;
}

/// What the step of the grid is multiplied by, beside 1; the first of equal
/// codes is taken. Measured on residuals of embeddings, more of them gain
/// nothing.
constexpr float kSteps[] = {0.6f, 0.75f, 0.9f, 1.1f, 1.3f};

/// the square of <y, v> / |v|
double get_closeness(const Products& sums) {
    return sums.vv > 0 ? sums.yv * sums.yv / sums.vv : 0;
}

/** The best code of y.
 * @param levels   output, size coded_dim()
 * @param attempt  working memory of the same size
 */
Products choose_levels(
        const SDCQuantizer& sdc,
        const float* y,
        bool has_plain_range,
        std::vector<uint8_t>& levels,
        std::vector<uint8_t>& attempt) {
    const float* range = sdc.range.data();
    sdc.layout.quantize(y, levels.data(), range, sdc.grid_step);
    Products best = multiply(sdc, y, levels.data());
    if (has_plain_range) {
        return best;
    }
    for (float step : kSteps) {
        sdc.layout.quantize(y, attempt.data(), range, sdc.grid_step * step);
        const Products sums = multiply(sdc, y, attempt.data());
        if (get_closeness(sums) > get_closeness(best)) {
            best = sums;
            levels.swap(attempt);
        }
    }
    return best;
}

/** Codes but for the numbers of centroids.
 * @param y  size n * dim(), less the centroids
 * @return   whether a scale is too large for a float16
 */
bool encode_vectors(
        const SDCQuantizer& sdc,
        size_t n,
        const float* y,
        uint8_t* codes) {
    const bool has_plain_range = sdc.has_plain_range();
    bool overflow = false;
#pragma omp parallel reduction(|| : overflow) if (n > 1000)
    {
        std::vector<uint8_t> levels(sdc.layout.coded_dim());
        std::vector<uint8_t> attempt(levels.size());
#pragma omp for
        for (int64_t i = 0; i < int64_t(n); i++) {
            const float* vector = y + i * sdc.dim();
            uint8_t* code = codes + i * sdc.code_size();
            const Products sums = choose_levels(
                    sdc, vector, has_plain_range, levels, attempt);
            sdc.layout.pack(levels.data(), code);
            const uint16_t half = encode_float16(choose_scale(sdc, sums));
            std::memcpy(code + sdc.layout.code_size(), &half, sizeof(half));
            overflow = overflow || half == encode_float16(INFINITY);
        }
    }
    return overflow;
}

} // namespace

void SDCQuantizer::compute_codes(const float* x, uint8_t* codes, size_t n)
        const {
    check_finite(n, dim(), x);
    check_centroids();
    bool overflow = false;
    if (ncentroids == 0) {
        overflow = encode_vectors(*this, n, x, codes);
    }
    // what is worked on in between has the size of a part of x
    constexpr size_t max_part = 8192;
    std::vector<faiss::idx_t> numbers;
    std::vector<float> residuals;
    for (size_t i0 = 0; ncentroids > 0 && i0 < n; i0 += max_part) {
        const size_t part = std::min(max_part, n - i0);
        numbers.resize(part);
        residuals.resize(part * dim());
        find_centroids(part, x + i0 * dim(), numbers.data(), residuals.data());
        uint8_t* out = codes + i0 * code_size();
        overflow =
                encode_vectors(*this, part, residuals.data(), out) || overflow;
        for (size_t i = 0; i < part; i++) {
            const uint8_t byte = static_cast<uint8_t>(numbers[i]);
            const uint16_t number = static_cast<uint16_t>(numbers[i]);
            uint8_t* end = out + i * code_size() + centroid_offset();
            if (centroid_bytes() == 1) {
                *end = byte;
            } else {
                std::memcpy(end, &number, sizeof(number));
            }
        }
    }
    FAISS_THROW_IF_NOT_MSG(
            !overflow, "x has values too large for the scale of a code");
}

void SDCQuantizer::decode(const uint8_t* codes, float* x, size_t n) const {
    check_centroids();
    const int m = layout.coded_dim();
#pragma omp parallel if (n > 1000)
    {
        std::vector<uint8_t> levels(m);
#pragma omp for
        for (int64_t i = 0; i < int64_t(n); i++) {
            const uint8_t* code = codes + i * code_size();
            float* vector = x + i * dim();
            layout.unpack(code, levels.data());
            const float step = get_scale(code) * layout.unit();
            for (int j = 0; j < m; j++) {
                vector[j] = step * (2 * levels[j] - layout.level_base[j]) *
                        range[j];
            }
            std::fill(vector + m, vector + dim(), 0.0f);
            if (ncentroids > 0) {
                const float* centroid = get_centroid(code);
                for (int j = 0; j < dim(); j++) {
                    vector[j] += centroid[j];
                }
            }
        }
    }
}

float SDCQuantizer::get_scale(const uint8_t* code) const {
    uint16_t half;
    std::memcpy(&half, code + layout.code_size(), sizeof(half));
    return decode_float16(half);
}

void SDCQuantizer::check_codes(size_t n, const uint8_t* codes) const {
    if (ncentroids == 0) {
        return;
    }
    const bool is_byte = centroid_bytes() == 1;
    for (size_t i = 0; i < n; i++) {
        const uint8_t* code = codes + i * code_size() + centroid_offset();
        uint16_t number = *code;
        if (!is_byte) {
            std::memcpy(&number, code, sizeof(number));
        }
        FAISS_THROW_IF_NOT_FMT(
                number < ncentroids,
                "code %zd has centroid %d of %zd",
                i,
                int(number),
                ncentroids);
    }
}

} // namespace faiss_bebr
