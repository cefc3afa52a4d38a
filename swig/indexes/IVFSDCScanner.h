#pragma once

#include "indexes/sdc_queries.h"

#include <faiss/IndexIVF.h>

#include <memory>
#include <vector>

namespace faiss_bebr {

struct IndexIVFSDC;

using faiss::idx_t;

/** Scans the lists of an IndexIVFSDC with the SDC kernels, a block of codes at
 * a time. Nothing is found for a query that is not finite, as FAISS calls
 * set_query() where no exception may leave; the searches of the index refuse
 * such queries before.
 */
struct IVFSDCScanner : faiss::InvertedListScanner {
    const IndexIVFSDC& index;

    IVFSDCScanner(
            const IndexIVFSDC& index,
            bool store_pairs,
            const faiss::IDSelector* sel);
    ~IVFSDCScanner() override;

    void set_query(const float* query_vector) override;

    /// takes the centroid from the quantizer and does not use coarse_dis,
    /// since quantizers may be approximate
    void set_list(idx_t list_no, float coarse_dis) override;

    float distance_to_code(const uint8_t* code) const override;

    using InvertedListScanner::scan_codes;
    size_t scan_codes(
            size_t n,
            const uint8_t* codes,
            const idx_t* ids,
            faiss::ResultHandler& handler) const override;

    /// unlike FAISS's, these two honour the selector
    size_t iterate_codes(
            faiss::InvertedListsIterator* iterator,
            float* distances,
            idx_t* labels,
            size_t k,
            size_t& list_size) const override;
    void iterate_codes_range(
            faiss::InvertedListsIterator* iterator,
            float radius,
            faiss::RangeQueryResult& result,
            size_t& list_size) const override;

   private:
    struct Workspace;

    const float* x = nullptr; ///< the query
    /// of x, or with METRIC_L2 and by_residual of its residual to the centroid
    LevelQueries query;
    bool is_finite = false;
    std::vector<float> centroid;
    const std::unique_ptr<Workspace> work;

    bool is_better(float distance, float threshold) const;
    size_t find_hits(const uint8_t* codes, size_t n, float threshold) const;
    void get_distances(const uint8_t* codes, size_t n, float* distances) const;
    size_t take_batch(faiss::InvertedListsIterator* iterator) const;
};

} // namespace faiss_bebr
