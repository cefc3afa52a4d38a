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

/** A grid of odd multiples of half its step, for the levels of a query.
 */
struct CellGrid {
    static constexpr int half = 1 << (PlaneQueries::nbits - 1);
    double cell_width;

    /// of a level, 0 .. 15; those past the ends belong to the outermost cells
    int get_cell(int level) const {
        const double cell = std::floor(level / cell_width);
        return half + int(std::min(std::max(cell, -1.0 * half), half - 1.0));
    }

    double get_squared_error(const int8_t* levels, int d) const {
        double sum = 0;
        for (int i = 0; i < d; i++) {
            const double centre =
                    (get_cell(levels[i]) - half + 0.5) * cell_width;
            sum += (levels[i] - centre) * (levels[i] - centre);
        }
        return sum;
    }
};

/** The grid of least squared error: the one for Gaussian values, or a wider one
 * where a few dimensions have most of a query.
 * @param levels  size d
 */
CellGrid choose_grid(const int8_t* levels, int d) {
    // half the width of the grid in standard deviations (Max, 1960)
    constexpr double half_width = 2.681;
    constexpr double factor = 1.5;
    int64_t sum = 0;
    double largest = 0;
    for (int i = 0; i < d; i++) {
        sum += levels[i] * levels[i];
        largest = std::max(largest, std::abs(double(levels[i])));
    }
    if (sum == 0) {
        return {1};
    }
    CellGrid grid = {half_width * std::sqrt(double(sum) / d) / CellGrid::half};
    CellGrid best = grid;
    double least = grid.get_squared_error(levels, d);
    while (grid.cell_width * CellGrid::half < largest) {
        grid.cell_width *= factor;
        const double error = grid.get_squared_error(levels, d);
        if (error < least) {
            least = error;
            best = grid;
        }
    }
    return best;
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
    std::vector<int> cells(d);
    for (size_t q = 0; q < step.size(); q++) {
        const int8_t* levels = queries.levels.data() + q * d;
        const CellGrid grid = choose_grid(levels, d);
        for (int i = 0; i < d; i++) {
            cells[i] = grid.get_cell(levels[i]);
        }
        step[q] = static_cast<float>(queries.step[q] * grid.cell_width / 2);
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
