#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/TableQueries.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"

#include <faiss/Index.h>

#include <functional>
#include <memory>

namespace faiss_bebr {

/// Queries of a flat index, with tables: of bounds where these pay, or of
/// estimates.
struct FlatQueries {
    const SDCQuantizer& sdc;
    const LevelQueries levels;
    const TableKernels* const table_kernels; ///< nullptr: without tables
    std::unique_ptr<TableQueries> tables;    ///< likewise

    FlatQueries(const SDCQuantizer& sdc, size_t n, const float* x);

    /// with estimates of products with the first planes
    FlatQueries(
            const SDCQuantizer& sdc,
            size_t n,
            const float* x,
            const PlaneLayout& first_planes);

    size_t size() const {
        return levels.step.size();
    }
    bool has_estimates() const {
        return tables && tables->kind == TableQueries::Kind::estimates;
    }
};

/// how many queries with k results each are searched at once: more would fill
/// the memory with tables and results
idx_t get_batch_size(const SDCQuantizer& sdc, idx_t n, idx_t k);

/// check_queries() before the first of several batches, as results are written
/// then; a single one is checked when its FlatQueries are made
void check_batches(
        const SDCQuantizer& sdc,
        idx_t n,
        idx_t batch,
        const float* x);

/// all documents are compared by sparse blocks, as these have estimates
void set_estimates(ScanTask<float>& task);

/// how a flat index compares queries with its codes
using MakeFlatTask = std::function<ScanTask<float>(const FlatQueries&)>;

/** search() of a flat index. Throws for queries that check_queries() refuses.
 * @param x  size n * sdc.dim()
 */
void search_flat(
        const SDCQuantizer& sdc,
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const MakeFlatTask& make_task);

/// range_search() likewise; throws for a radius that is NaN too
void range_search_flat(
        const SDCQuantizer& sdc,
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const MakeFlatTask& make_task);

/// search1() likewise, with a computer that has the codes
void search1_flat(
        const SDCQuantizer& sdc,
        idx_t ntotal,
        const float* x,
        const faiss::IDSelector* sel,
        faiss::DistanceComputer& computer,
        faiss::ResultHandler& handler);

} // namespace faiss_bebr
