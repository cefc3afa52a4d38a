#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/TableQueries.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"

#include <vector>

namespace faiss_bebr {

/** A block of the codes of an SDCQuantizer of which few documents have keys
 * below the thresholds: only those are compared by their codes whose bounds by
 * table look-up leave that open. Their keys are the same bits as SDCBlock's.
 */
struct BoundBlock : DocumentBlock<float> {
    const SDCQuantizer& sdc;
    const LevelQueries& queries;
    const TableQueries& tables;
    const SDCKernels& kernels;
    const TableKernels& table_kernels;
    const uint8_t* codes; ///< the code of document i is row i

    /// documents, a multiple of kColumn
    static size_t get_block_size(const TableQueries& tables);

    BoundBlock(
            const SDCQuantizer& sdc,
            const LevelQueries& queries,
            const TableQueries& tables,
            const TableKernels& table_kernels,
            const uint8_t* codes,
            size_t block_size);

    void load(const idx_t* ids, size_t n) override;

    void compute(size_t q0, size_t nq, const float* thresholds) override;

    size_t collect(size_t q, float threshold, uint32_t* hits, float* keys)
            override;

    bool is_worth_it() const override;

   private:
    struct Limit;

    std::vector<const uint8_t*> rows;
    /// the place in the block of row j, where rows are in another order
    std::vector<uint32_t> places;
    std::vector<TableRow> columns; ///< nrows of each group

    // of groups of 64 documents
    /// 1 / the largest scale; NaN: there are no bounds
    std::vector<float> inverse_scales;
    /// the least that METRIC_L2 adds for a document alone
    std::vector<float> min_norms;
    std::vector<uint16_t> centroid_nos;
    std::vector<uint32_t> centroids_begin; ///< in centroid_nos

    // of each row, for many queries
    std::vector<float> scales;
    std::vector<uint16_t> row_centroids;

    DocumentNorms get_norm;

    size_t first_query = 0; ///< of the last compute()
    /// rows that may have keys below the thresholds, for each of its queries
    std::vector<std::vector<uint32_t>> candidates;
    std::vector<float> biases;   ///< of groups, for one query
    std::vector<int32_t> limits; ///< likewise
    std::vector<std::vector<int32_t>> tile_limits;
    std::vector<uint32_t> found;
    std::vector<uint16_t> sums;
    std::vector<const uint8_t*> candidate_rows;
    std::vector<int32_t> dots;
    std::vector<std::pair<uint32_t, float>> results;

    size_t npairs = 0;      ///< compared since the last load()
    size_t ncandidates = 0; ///< of these

    size_t get_num_groups() const {
        return (rows.size() + kColumn - 1) / kColumn;
    }
    bool knows_rows() const;
    bool is_candidate(size_t q, const Limit& limit, size_t j, uint16_t sum)
            const;
    void prefetch_row(size_t j) const;
    void prefetch_group(size_t g) const;
    void sort_rows();
    void set_group(size_t g);
    void set_limits(size_t q, const Limit& limit);
    void compute_tile(size_t q0, size_t nq, const float* thresholds);
};

} // namespace faiss_bebr
