#include "indexes/TableQueries.h"

#include "kernels/SDCKernels.h"

#include <algorithm>
#include <cstdlib>

namespace faiss_bebr {

namespace {

/** What the w of a triple of make_tables() may sum up to. Sums count for 65535
 * at most: documents lose about half of all, good ones less, so few lose what
 * does not count, and steps are finer. Measured with tables of six bits, the
 * best is 90000 to 110000.
 */
constexpr float kMaxSum = 100000.0f;

} // namespace

TableQueries::TableQueries(
        const TableKernels& kernels,
        const SDCQuantizer& sdc,
        const LevelQueries& queries)
        : nbytes(sdc.layout.code_size()),
          ncode_rows(get_num_code_rows(kernels.index_bits, nbytes)),
          ntable_rows(get_table_size(kernels.index_bits, nbytes) / kColumn),
          tables(queries.step.size() * ntable_rows),
          max_product(queries.step.size()),
          step(queries.step.size()) {
    const int64_t n = static_cast<int64_t>(queries.step.size());
#pragma omp parallel if (n > 100)
    {
        std::vector<int16_t> weights(get_num_table_weights(nbytes));
#pragma omp for
        for (int64_t q = 0; q < n; q++) {
            set(kernels, sdc.layout, queries, q, weights);
        }
    }
}

void TableQueries::set(
        const TableKernels& kernels,
        const PlaneLayout& layout,
        const LevelQueries& queries,
        size_t q,
        std::vector<int16_t>& weights) {
    const int8_t* levels = queries.levels.data() + q * layout.coded_dim();
    int64_t max_dot = 0;
    for (int t = 0; t < layout.nplanes(); t++) {
        const int up = 1 << (layout.nplanes() - 1 - t);
        for (int i = 0; i < layout.plane_widths[t]; i++) {
            max_dot += std::max(up * levels[i], 0);
            const size_t byte = layout.plane_offsets[t] + i / 8;
            weights[get_table_bit(kernels.index_bits, byte, i % 8)] =
                    static_cast<int16_t>(up * levels[i]);
        }
    }
    int max_sum = 1; // of a triple
    for (size_t i = 0; i < weights.size(); i += kTripleWeights) {
        int sum = 0;
        for (size_t j = i; j < i + kTripleWeights; j++) {
            sum += std::abs(weights[j]);
        }
        max_sum = std::max(max_sum, sum);
    }
    const float factor = kMaxSum / static_cast<float>(max_sum);
    kernels.make_tables(
            nbytes, weights.data(), factor, tables[q * ntable_rows].bytes);
    max_product[q] = static_cast<float>(2 * max_dot - queries.shift[q]);
    // products are of 2 * level; a little less, as floats are rounded
    step[q] = 2 * 256 / factor * 0.99999f;
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
