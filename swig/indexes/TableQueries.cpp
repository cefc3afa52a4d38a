#include "indexes/TableQueries.h"

#include "kernels/SDCKernels.h"

#include <algorithm>
#include <cstdlib>

namespace faiss_bebr {

namespace {

/** What the weights of a triple may sum up to, in steps. Of what is lost 255
 * count at most: documents lose about half of all, good ones less, so few lose
 * what does not count, and steps are finer. Measured with tables of six bits,
 * the best is 350 to 430.
 */
constexpr float kMaxSteps = 390.625f;

/// to the nearest integer, away from 0 in the middle, as std::lround() does,
/// which takes a call for each
int16_t round_weight(float x) {
    const auto whole = static_cast<int32_t>(x);
    const float rest = x - static_cast<float>(whole);
    return static_cast<int16_t>(whole + (rest >= 0.5f) - (rest <= -0.5f));
}

int get_largest_sum(const std::vector<int16_t>& weights) {
    int largest = 1; // of a triple
    for (size_t i = 0; i < weights.size(); i += kTripleWeights) {
        int sum = 0;
        for (size_t j = i; j < i + kTripleWeights; j++) {
            sum += std::abs(weights[j]);
        }
        largest = std::max(largest, sum);
    }
    return largest;
}

} // namespace

TableQueries::TableQueries(
        Kind kind_in,
        const TableKernels& kernels,
        const SDCQuantizer& sdc,
        const PlaneLayout& layout_in,
        const LevelQueries& queries)
        : kind(kind_in),
          layout(layout_in),
          nbytes(layout.code_size()),
          ncode_rows(get_num_code_rows(kernels.index_bits, nbytes)),
          ntable_rows(get_table_size(kernels.index_bits, nbytes) / kColumn),
          tables(queries.step.size() * ntable_rows),
          max_product(queries.step.size()),
          step(queries.step.size()),
          key_scale(queries.step.size()) {
    const int64_t n = static_cast<int64_t>(queries.step.size());
    const int m = sdc.layout.coded_dim();
#pragma omp parallel if (n > 100)
    {
        std::vector<int16_t> weights(get_num_table_weights(nbytes));
#pragma omp for
        for (int64_t q = 0; q < n; q++) {
            key_scale[q] = queries.get_key_scale(sdc, layout, q);
            set(kernels, queries.levels.data() + q * m, q, weights);
        }
    }
}

void TableQueries::set(
        const TableKernels& kernels,
        const int8_t* levels,
        size_t q,
        std::vector<int16_t>& weights) {
    int64_t sum_of_magnitudes = 0;
    for (int t = 0; t < layout.nplanes(); t++) {
        const int up = 1 << (layout.nplanes() - 1 - t);
        for (int i = 0; i < layout.plane_widths[t]; i += 8) {
            const size_t byte = layout.plane_offsets[t] + i / 8;
            for (int bit = 0; bit < 8; bit++) {
                const int weight = up * levels[i + bit];
                sum_of_magnitudes += std::abs(weight);
                weights[get_table_bit(kernels.index_bits, byte, bit)] =
                        static_cast<int16_t>(weight);
            }
        }
    }
    const float steps_per_weight =
            kMaxSteps / static_cast<float>(get_largest_sum(weights));
    // of make_tables(), whose steps are of 256
    float factor = 256 * steps_per_weight;
    // a wrong bit is off by twice its weight
    step[q] = 2 / steps_per_weight;
    if (kind == Kind::bounds) {
        // a little less, as floats are rounded
        step[q] *= 0.99999f;
    } else {
        for (int16_t& weight : weights) {
            weight =
                    round_weight(static_cast<float>(weight) * steps_per_weight);
        }
        factor = 256;
    }
    max_product[q] = static_cast<float>(sum_of_magnitudes);
    kernels.make_tables(
            nbytes, weights.data(), factor, tables[q * ntable_rows].bytes);
}

void TableQueries::estimate_products(
        size_t q,
        const uint16_t* sums,
        size_t n,
        float* products) const {
    for (size_t j = 0; j < n; j++) {
        products[j] = max_product[q] - step[q] * static_cast<float>(sums[j]);
    }
}

const TableKernels* find_table_kernels(const PlaneLayout& layout, size_t n) {
    const TableKernels* kernels = get_table_kernels();
    if (!kernels || layout.code_size() > kMaxTableBytes) {
        return nullptr;
    }
    if (n < 16) {
        return kernels;
    }
    // for many queries, codes are unpacked once: tables then do less work only
    // below four bits a dimension; those of four bits, where an instruction
    // adds up four products of bytes, only up to one and a half
    const bool is_slow =
            kernels->index_bits == 4 && get_kernels().has_byte_products;
    const size_t max_bits = size_t(layout.coded_dim()) * 3 / (is_slow ? 2 : 1);
    return 8 * layout.code_size() <= max_bits ? kernels : nullptr;
}

} // namespace faiss_bebr
