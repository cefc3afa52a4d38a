#include "indexes/FirstPassBlock.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace faiss_bebr {

namespace {

size_t get_num_words(int width) {
    return (width + 63) / 64;
}

/// the sum of the weights 8, 4, 2, 1 of a query's planes
constexpr int kQueryWeights = (1 << PlaneQueries::nbits) - 1;

/** The cells of a query's levels on a grid of 4 bits.
 * @param levels  size d
 * @param cells   output, size d, 0 .. 15
 * @return        the step of the odd integers 2 * cell - 15, in levels
 */
double quantize_levels(const int8_t* levels, int d, uint8_t* cells) {
    // half the width of the grid in standard deviations (Max, 1960)
    constexpr double half_width = 2.681;
    constexpr int half = 1 << (PlaneQueries::nbits - 1);
    int64_t sum = 0;
    for (int i = 0; i < d; i++) {
        sum += levels[i] * levels[i];
    }
    const double cell_width = half_width * std::sqrt(double(sum) / d) / half;
    for (int i = 0; i < d; i++) {
        const double cell = sum > 0 ? std::floor(levels[i] / cell_width) : 0.0;
        cells[i] = static_cast<uint8_t>(
                half + std::min(std::max(cell, -1.0 * half), half - 1.0));
    }
    return cell_width / 2;
}

} // namespace

PlaneQueries::PlaneQueries(
        const PlaneLayout& documents,
        const LevelQueries& queries)
        : words(documents.nplanes()), step(queries.step.size()) {
    const int d = documents.coded_dim();
    for (int t = 0; t < documents.nplanes(); t++) {
        const size_t nwords = get_num_words(documents.plane_widths[t]);
        words[t].resize(step.size() * nbits * nwords);
    }
    std::vector<uint8_t> cells(d);
    for (size_t q = 0; q < step.size(); q++) {
        const int8_t* levels = queries.levels.data() + q * d;
        step[q] = static_cast<float>(
                queries.step[q] * quantize_levels(levels, d, cells.data()));
        for (int t = 0; t < documents.nplanes(); t++) {
            const int width = documents.plane_widths[t];
            const size_t nwords = get_num_words(width);
            for (int b = 0; b < nbits; b++) {
                uint64_t* row = words[t].data() + (q * nbits + b) * nwords;
                for (int i = 0; i < width; i++) {
                    const uint64_t bit = (cells[i] >> (nbits - 1 - b)) & 1;
                    row[i / 64] |= bit << (i % 64);
                }
            }
        }
    }
}

FirstPassBlock::FirstPassBlock(
        const SDCQuantizer& sdc_in,
        const PlaneLayout& shallow_in,
        const LevelQueries& queries_in,
        const PlaneQueries& planes_in,
        const uint8_t* codes_in,
        size_t block_size)
        : sdc(sdc_in),
          shallow(shallow_in),
          queries(queries_in),
          planes(planes_in),
          kernels(get_kernels()),
          codes(codes_in),
          words(shallow_in.nplanes()),
          scale(block_size),
          biases(sdc_in, shallow_in, block_size),
          counts(PlaneQueries::nbits * block_size) {
    for (int t = 0; t < shallow.nplanes(); t++) {
        const int width = shallow.plane_widths[t];
        words[t].resize(block_size * get_num_words(width));
        shift += width * kQueryWeights << (shallow.nplanes() - 1 - t);
    }
}

void FirstPassBlock::load_plane(int t, const uint8_t* code, size_t j) {
    const uint8_t* plane = code + shallow.plane_offsets[t];
    const size_t nbytes = shallow.plane_widths[t] / 8;
    const size_t nwords = get_num_words(shallow.plane_widths[t]);
    uint64_t* column =
            words[t].data() + j / kGroup * kGroup * nwords + j % kGroup;
    // words in full apart, as a copy of a known size is one instruction
    for (size_t w = 0; w < nbytes / 8; w++) {
        std::memcpy(column + w * kGroup, plane + 8 * w, 8);
    }
    if (nbytes % 8 != 0) {
        std::memcpy(
                column + nbytes / 8 * kGroup,
                plane + nbytes / 8 * 8,
                nbytes % 8);
    }
}

void FirstPassBlock::load(const idx_t* ids, size_t n) {
    // what is read of codes is too scattered for the processor to foresee
    constexpr size_t ahead = 24;
    const size_t code_size = sdc.code_size();
    ngroups = (n + kGroup - 1) / kGroup;
    ndocuments = n;
    for (size_t j = 0; j < n; j++) {
        if (j + ahead < n) {
            const uint8_t* later = codes + ids[j + ahead] * code_size;
            __builtin_prefetch(later);
            __builtin_prefetch(later + code_size - 1);
        }
        const uint8_t* code = codes + ids[j] * code_size;
        scale[j] = sdc.get_scale(code);
        biases.load(j, code);
        for (int t = 0; t < shallow.nplanes(); t++) {
            load_plane(t, code, j);
        }
    }
}

/// the products are shift - 2 * dots
void FirstPassBlock::compute(
        size_t q0,
        size_t nq,
        const float* /* thresholds */) {
    const size_t n = ngroups * kGroup;
    first_query = q0;
    dots.assign(nq * n, 0);
    for (size_t q = 0; q < nq; q++) {
        int32_t* row = dots.data() + q * n;
        for (int t = 0; t < shallow.nplanes(); t++) {
            const size_t nwords = get_num_words(shallow.plane_widths[t]);
            kernels.hamming(
                    nwords,
                    planes.words[t].data() +
                            (q0 + q) * PlaneQueries::nbits * nwords,
                    PlaneQueries::nbits,
                    words[t].data(),
                    ngroups,
                    counts.data());
            const int32_t* c = counts.data();
            const int up = shallow.nplanes() - 1 - t;
            for (size_t j = 0; j < n; j++) {
                const int32_t sum = 8 * c[j] + 4 * c[n + j] + 2 * c[2 * n + j] +
                        c[3 * n + j];
                row[j] += sum << up;
            }
        }
    }
}

size_t FirstPassBlock::collect(
        size_t q,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const bool is_l2 = sdc.metric_type == faiss::METRIC_L2;
    const FloatKey key = {
            scale.data(),
            biases.get(queries, q, ndocuments),
            (is_l2 ? 2.0f : 1.0f) * shallow.unit() * planes.step[q],
            queries.bias[q],
            shift};
    const size_t n = ngroups * kGroup;
    const int32_t* row = dots.data() + (q - first_query) * n;
    return kernels.collect_float(key, row, n, threshold, hits, keys);
}

} // namespace faiss_bebr
