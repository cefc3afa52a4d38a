// SDCQuantizer: from vectors to codes and back.

#include "codes/SDCQuantizer.h"

#include "codes/CodeChooser.h"
#include "codes/check_arguments.h"
#include "codes/float16.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>

namespace faiss_bebr {

namespace {

/** Codes but for the numbers of centroids.
 * @param y  size n * dim(), less the centroids
 * @param x  with them
 * @return   whether a scale is too large for a float16
 */
bool encode_vectors(
        const SDCQuantizer& sdc,
        size_t n,
        const float* y,
        const float* x,
        uint8_t* codes) {
    bool overflow = false;
#pragma omp parallel reduction(|| : overflow) if (n > 1000)
    {
        CodeChooser chooser(sdc);
#pragma omp for
        for (int64_t i = 0; i < int64_t(n); i++) {
            uint8_t* code = codes + i * sdc.code_size();
            chooser.choose(y + i * sdc.dim(), x + i * sdc.dim());
            sdc.layout.pack(chooser.levels.data(), code);
            uint8_t* end = code + sdc.layout.code_size();
            if (sdc.scale_bytes == 1) {
                *end = chooser.scale_no;
                continue;
            }
            const uint16_t half = encode_float16(chooser.scale);
            std::memcpy(end, &half, sizeof(half));
            overflow = overflow || half == encode_float16(INFINITY);
        }
    }
    return overflow;
}

} // namespace

void SDCQuantizer::compute_codes(
        const float* x,
        uint8_t* codes,
        size_t n,
        const float* whole) const {
    check_finite(n, dim(), x);
    check_trained();
    bool overflow = false;
    if (ncentroids == 0) {
        overflow = encode_vectors(*this, n, x, whole ? whole : x, codes);
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
                encode_vectors(
                        *this, part, residuals.data(), x + i0 * dim(), out) ||
                overflow;
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
    check_trained();
    const int m = layout.coded_dim();
#pragma omp parallel if (n > 1000)
    {
        std::vector<uint8_t> levels(m);
        std::vector<float> centroid(dim());
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
                decode_centroid(code, centroid.data());
                for (int j = 0; j < dim(); j++) {
                    vector[j] += centroid[j];
                }
            }
        }
    }
}

void SDCQuantizer::decode_centroid(const uint8_t* code, float* x) const {
    const float* centroid = get_centroid(code);
    std::copy(centroid, centroid + dim(), x);
    if (!centroid_scales.empty()) {
        const float factor = get_centroid_scale(code);
        for (int j = 0; j < dim(); j++) {
            x[j] = factor * (x[j] + origin[j]) - origin[j];
        }
    }
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
