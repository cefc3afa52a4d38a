#pragma once

#include "indexes/sdc_queries.h"
#include "kernels/TableKernels.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/// 64 bytes where registers of that size are loaded from
struct alignas(64) TableRow {
    uint8_t bytes[kColumn];
};

/** Tables of level-quantized queries, see TableKernels, for the planes of a
 * layout. The product <levels, V> of a query and a code is
 *
 *     max_product - step * sum
 *
 * at most; or, as an estimate, it counts as that.
 */
struct TableQueries {
    /// of estimates the steps do not depend on how many bits are looked up at a
    /// time: levels are rounded one by one
    enum class Kind { bounds, estimates };

    const Kind kind;
    const PlaneLayout layout;     ///< the first planes of the codes, or all
    size_t nbytes = 0;            ///< of a code that have tables
    size_t ncode_rows = 0;        ///< of 64 codes
    size_t ntable_rows = 0;       ///< of a query
    std::vector<TableRow> tables; ///< n * ntable_rows

    std::vector<float> max_product; ///< n
    std::vector<float> step;        ///< n

    /// what turns products into what they are of keys, see FloatKey; size n
    std::vector<float> key_scale;

    TableQueries(
            Kind kind,
            const TableKernels& kernels,
            const SDCQuantizer& sdc,
            const PlaneLayout& layout,
            const LevelQueries& queries);

    const uint8_t* get(size_t q) const {
        return tables[q * ntable_rows].bytes;
    }

    /// products of query q with n documents, of their sums
    void estimate_products(
            size_t q,
            const uint16_t* sums,
            size_t n,
            float* products) const;

   private:
    /// of query q; @param weights  those of make_tables(), working memory
    void set(
            const TableKernels& kernels,
            const int8_t* levels,
            size_t q,
            std::vector<int16_t>& weights);
};

/** get_table_kernels() where bounds pay, else nullptr.
 * @param n  queries
 */
const TableKernels* find_table_kernels(const PlaneLayout& layout, size_t n);

} // namespace faiss_bebr
