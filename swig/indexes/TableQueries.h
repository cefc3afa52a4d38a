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

/** Tables of level-quantized queries, see TableKernels, for all planes of
 * the codes.
 */
struct TableQueries {
    size_t nbytes = 0;            ///< of a code that have tables
    size_t ncode_rows = 0;        ///< of 64 codes
    size_t ntable_rows = 0;       ///< of a query
    std::vector<TableRow> tables; ///< n * ntable_rows

    /// the largest <levels, V> that a code could have; size n
    std::vector<float> max_product;
    /// what a product loses with each step of a sum, at least; size n
    std::vector<float> step;

    TableQueries(
            const TableKernels& kernels,
            const SDCQuantizer& sdc,
            const LevelQueries& queries);

    const uint8_t* get(size_t q) const {
        return tables[q * ntable_rows].bytes;
    }

   private:
    /// of query q; @param weights  those of make_tables(), working memory
    void set(
            const TableKernels& kernels,
            const PlaneLayout& layout,
            const LevelQueries& queries,
            size_t q,
            std::vector<int16_t>& weights);
};

/** get_table_kernels() where tables pay, else nullptr.
 * @param n  queries
 */
const TableKernels* find_table_kernels(const PlaneLayout& layout, size_t n);

} // namespace faiss_bebr
