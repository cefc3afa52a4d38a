// SDCQuantizer: from vectors to codes and back.

#include "codes/SDCQuantizer.h"

#include "codes/CodeChooser.h"
#include "codes/check_arguments.h"
#include "codes/float16.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>

namespace faiss_bebr {

using faiss::idx_t;

namespace {

/// Writes the codes of one vector after the other.
struct CodeWriter {
    const SDCQuantizer& sdc;
    CodeChooser chooser;
    std::vector<float> residual;
    const bool reduces_error;
    bool overflow = false; ///< whether a scale was too large for a float16

    explicit CodeWriter(const SDCQuantizer& sdc_in)
            : sdc(sdc_in),
              chooser(sdc_in),
              residual(sdc_in.dim()),
              reduces_error(sdc_in.has_error_weight()) {}

    /// without centroids; @param whole  what x is the residual of, or x
    void write(const float* x, const float* whole, uint8_t* code) {
        chooser.choose(x, whole);
        chooser.reduce_error(x);
        overflow = !put(code) || overflow;
    }

    /// with the one of k centroids that leaves the least error
    void write(const float* x, size_t k, const idx_t* numbers, uint8_t* code) {
        double least = 0;
        bool fits = true;
        idx_t best = numbers[0];
        // there are fewer where distances overflow
        for (size_t i = 0; i < k && numbers[i] >= 0; i++) {
            set_residual(x, numbers[i]);
            chooser.choose(residual.data(), x);
            if (i == 0 || chooser.error < least) {
                least = chooser.error;
                fits = put(code);
                best = numbers[i];
            }
        }
        if (reduces_error) {
            set_residual(x, best);
            chooser.choose(residual.data(), x);
            chooser.reduce_error(residual.data());
            fits = put(code);
        }
        put_number(code, best);
        overflow = !fits || overflow;
    }

   private:
    void set_residual(const float* x, idx_t number) {
        const float* centroid = sdc.centroids.data() + number * sdc.dim();
        for (int j = 0; j < sdc.dim(); j++) {
            residual[j] = x[j] - centroid[j];
        }
    }

    /// what is chosen; false: the scale is too large
    bool put(uint8_t* code) const {
        sdc.layout.pack(chooser.levels.data(), code);
        uint8_t* end = code + sdc.layout.code_size();
        if (sdc.scale_bytes == 1) {
            *end = chooser.scale_no;
            return true;
        }
        const uint16_t half = encode_float16(chooser.scale);
        std::memcpy(end, &half, sizeof(half));
        return half != encode_float16(INFINITY);
    }

    void put_number(uint8_t* code, idx_t number_in) const {
        const uint16_t number = static_cast<uint16_t>(number_in);
        uint8_t* end = code + sdc.centroid_offset();
        if (sdc.centroid_bytes() == 1) {
            *end = static_cast<uint8_t>(number);
        } else {
            std::memcpy(end, &number, sizeof(number));
        }
    }
};

} // namespace

void SDCQuantizer::compute_codes(
        const float* x,
        uint8_t* codes,
        size_t n,
        const float* whole_in) const {
    check_finite(n, dim(), x);
    check_trained();
    const float* whole = whole_in ? whole_in : x;
    const size_t k = std::min(max_beam_size, ncentroids);
    // numbers of centroids are kept for a part of x
    constexpr size_t max_part = 8192;
    std::vector<idx_t> numbers;
    bool overflow = false;
    for (size_t i0 = 0; i0 < n; i0 += max_part) {
        const size_t part = std::min(max_part, n - i0);
        numbers.resize(part * k);
        if (k > 0) {
            find_centroids(part, x + i0 * dim(), k, numbers.data());
        }
#pragma omp parallel reduction(|| : overflow) if (part > 1000)
        {
            CodeWriter writer(*this);
#pragma omp for
            for (int64_t i = 0; i < int64_t(part); i++) {
                const float* row = x + (i0 + i) * dim();
                uint8_t* code = codes + (i0 + i) * code_size();
                if (k > 0) {
                    writer.write(row, k, numbers.data() + i * k, code);
                } else {
                    writer.write(row, whole + (i0 + i) * dim(), code);
                }
            }
            overflow = writer.overflow;
        }
        FAISS_THROW_IF_NOT_MSG(
                !overflow, "x has values too large for the scale of a code");
    }
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
