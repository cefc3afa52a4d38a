#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/TableQueries.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"

#include <faiss/Index.h>

#include <functional>
#include <memory>

namespace faiss_bebr {

/// Queries of a flat index, with tables where these pay.
struct FlatQueries {
    const SDCQuantizer& sdc;
    const LevelQueries levels;
    const TableKernels* const table_kernels; ///< nullptr: without tables
    std::unique_ptr<TableQueries> tables;    ///< likewise

    FlatQueries(const SDCQuantizer& sdc, size_t n, const float* x);

    size_t size() const {
        return levels.step.size();
    }
};

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
