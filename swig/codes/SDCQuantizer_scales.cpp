// SDCQuantizer: the scales behind the planes of codes.

#include "codes/SDCQuantizer.h"

#include "codes/CodeChooser.h"
#include "codes/float16.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace faiss_bebr {

namespace {

/// vectors that one-byte scales are learned of, when there are more
constexpr size_t kMaxScaleSample = 16384;

/// Smaller parts of the largest scale are rounded to it or to 0: a few vectors
/// that are next to their centroids would make the grid coarse for all.
constexpr float kLeastScale = 1.0f / 64;

/// of a sample of vectors
struct ScaleSample {
    std::vector<float> scales;
    std::vector<float> centroid_scales;
    /// root mean squares of what they multiply
    double norm = 0;
    double centroid_norm = 0;
};

/// @param sdc  without values of scales
ScaleSample sample_scales(
        const SDCQuantizer& sdc,
        size_t n,
        const float* y,
        const float* x) {
    const size_t step = std::max<size_t>(1, n / kMaxScaleSample);
    const int64_t nsample = std::min(n, kMaxScaleSample);
    ScaleSample sample;
    sample.scales.resize(nsample);
    sample.centroid_scales.resize(nsample);
    std::vector<double> vv(nsample), cc(nsample);
#pragma omp parallel if (nsample > 1000)
    {
        CodeChooser chooser(sdc);
#pragma omp for
        for (int64_t i = 0; i < nsample; i++) {
            const size_t row = i * step * sdc.dim();
            chooser.choose(y + row, x + row);
            chooser.reduce_error(y + row);
            sample.scales[i] = chooser.scale;
            sample.centroid_scales[i] = chooser.centroid_scale;
            vv[i] = chooser.vv;
            cc[i] = chooser.cc;
        }
    }
    for (int64_t i = 0; i < nsample; i++) {
        sample.norm += vv[i] / nsample;
        sample.centroid_norm += cc[i] / nsample;
    }
    sample.norm = std::sqrt(sample.norm);
    sample.centroid_norm = std::sqrt(sample.centroid_norm);
    return sample;
}

/// 0 and then equal ratios from the least to the largest scale
std::vector<float> make_scale_grid(const std::vector<float>& scales, size_t n) {
    const float largest = *std::max_element(scales.begin(), scales.end());
    FAISS_THROW_IF_NOT_FMT(
            std::isnormal(largest * kLeastScale),
            "cannot train on scales of at most %g",
            largest);
    float least = largest;
    for (float scale : scales) {
        if (scale >= largest * kLeastScale) {
            least = std::min(least, scale);
        }
    }
    std::vector<float> values(n);
    const double ratio = double(largest) / least;
    for (size_t i = 1; i < n; i++) {
        values[i] = static_cast<float>(
                least * std::pow(ratio, double(i - 1) / double(n - 2)));
    }
    return values;
}

/// k-means of both scales, as far as their errors count
void cluster_scales(
        const ScaleSample& sample,
        std::vector<float>& values,
        std::vector<float>& centroid_values) {
    const float weight = static_cast<float>(sample.centroid_norm / sample.norm);
    const size_t n = sample.scales.size();
    std::vector<float> pairs(2 * n);
    for (size_t i = 0; i < n; i++) {
        pairs[2 * i] = sample.scales[i];
        pairs[2 * i + 1] = weight * sample.centroid_scales[i];
    }
    const size_t k = std::min(values.size() - 1, n);
    if (k < n) {
        faiss::ClusteringParameters cp;
        cp.min_points_per_centroid = 1;
        faiss::Clustering clustering(2, int(k), cp);
        faiss::IndexFlat assigner(2);
        clustering.train(n, pairs.data(), assigner);
        pairs = clustering.centroids;
    }
    for (size_t i = 1; i < values.size(); i++) {
        const float* pair = pairs.data() + 2 * std::min(i - 1, k - 1);
        values[i] = pair[0];
        centroid_values[i] = weight > 0 ? pair[1] / weight : 1;
    }
}

} // namespace

void SDCQuantizer::set_scale_bytes(size_t nbytes) {
    FAISS_THROW_IF_NOT_FMT(
            nbytes == 1 || nbytes == 2,
            "a scale has 1 or 2 bytes, got %zd",
            nbytes);
    scale_bytes = nbytes;
    scale_values.assign(nbytes == 1 ? num_scale_values : 0, 0.0f);
    centroid_scales.clear();
}

void SDCQuantizer::set_scale_values(
        const std::vector<float>& values,
        const std::vector<float>& centroids) {
    FAISS_THROW_IF_NOT_FMT(
            scale_bytes == 1 && values.size() == num_scale_values &&
                    (centroids.empty() || centroids.size() == values.size()),
            "%zd and %zd values of scales of %zd bytes",
            values.size(),
            centroids.size(),
            scale_bytes);
    const bool is_ascending = std::is_sorted(values.begin(), values.end());
    FAISS_THROW_IF_NOT_MSG(
            values[0] == 0 && (!centroids.empty() || is_ascending) &&
                    (centroids.empty() || centroids[0] == 1),
            "the values of scales must begin with 0, and 1 for the centroid, "
            "and ascend without the latter");
    for (const auto* list : {&values, &centroids}) {
        for (float value : *list) {
            FAISS_THROW_IF_NOT_FMT(
                    std::isfinite(value) && value >= 0,
                    "the values of scales must be finite and not negative, "
                    "got %g",
                    value);
        }
    }
    scale_values = values;
    centroid_scales = centroids;
}

bool SDCQuantizer::has_scale_values() const {
    const auto is_positive = [](float value) { return value > 0; };
    return std::any_of(scale_values.begin(), scale_values.end(), is_positive);
}

void SDCQuantizer::check_trained() const {
    check_centroids();
    FAISS_THROW_IF_NOT_MSG(
            scale_bytes == 2 || has_scale_values(),
            "the scales of one byte are not trained");
}

float SDCQuantizer::get_scale(const uint8_t* code) const {
    const uint8_t* bytes = code + layout.code_size();
    if (scale_bytes == 1) {
        return scale_values[*bytes];
    }
    uint16_t half;
    std::memcpy(&half, bytes, sizeof(half));
    return decode_float16(half);
}

void SDCQuantizer::get_scales(
        const uint8_t* const* codes,
        size_t n,
        float* scales) const {
    if (scale_bytes == 2) {
        for (size_t i = 0; i < n; i++) {
            scales[i] = get_scale(codes[i]);
        }
        return;
    }
    const size_t place = layout.code_size();
    const float* values = scale_values.data();
    for (size_t i = 0; i < n; i++) {
        scales[i] = values[codes[i][place]];
    }
}

float SDCQuantizer::get_max_scale(const uint8_t* const* codes, size_t n) const {
    const size_t place = layout.code_size();
    if (scale_bytes == 1) {
        const float* values = scale_values.data();
        float largest = 0;
        for (size_t i = 0; i < n; i++) {
            largest = std::max(largest, values[codes[i][place]]);
        }
        return largest;
    }
    // float16 are ordered as integers are, without the sign, which
    // decode_float16() ignores too
    uint16_t max = 0;
    for (size_t i = 0; i < n; i++) {
        uint16_t half;
        std::memcpy(&half, codes[i] + place, sizeof(half));
        max = std::max<uint16_t>(max, half & 0x7fff);
    }
    const uint16_t infinity = 0x7c00;
    return max <= infinity ? decode_float16(max)
                           : std::numeric_limits<float>::quiet_NaN();
}

size_t SDCQuantizer::find_scale(float scale) const {
    const auto begin = scale_values.begin();
    const size_t i =
            std::lower_bound(begin, scale_values.end() - 1, scale) - begin;
    return i > 0 && scale - scale_values[i - 1] <= scale_values[i] - scale
            ? i - 1
            : i;
}

void SDCQuantizer::train_scales(size_t n, const float* y, const float* x) {
    set_scale_bytes(1); // the present values are not to round
    const ScaleSample sample = sample_scales(*this, n, y, x);
    if (!needs_centroid_scales()) {
        set_scale_values(make_scale_grid(sample.scales, num_scale_values));
        return;
    }
    std::vector<float> values(num_scale_values, 0.0f);
    std::vector<float> centroid_values(num_scale_values, 1.0f);
    cluster_scales(sample, values, centroid_values);
    set_scale_values(values, centroid_values);
}

} // namespace faiss_bebr
