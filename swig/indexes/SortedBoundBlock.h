#pragma once

#include "indexes/BoundBlock.h"

#include <vector>

namespace faiss_bebr {

/// For many queries: documents are in an order in which those side by side have
/// bounds that are alike, and their columns are made once.
struct SortedBoundBlock : BoundBlock {
    explicit SortedBoundBlock(const BoundScan& scan);

    void load(const idx_t* ids, size_t n) override;

    void compute(size_t q0, size_t nq, const float* thresholds) override;

   private:
    std::vector<TableRow> columns; ///< ncode_rows of each group

    // of each row
    std::vector<float> scales;
    std::vector<uint16_t> row_centroids;    ///< empty without centroids
    std::vector<float> row_centroid_scales; ///< likewise

    // of groups of 64 documents
    std::vector<float> inverse_scales;
    std::vector<float> min_norms;
    std::vector<uint16_t> centroid_nos;    ///< the different ones of each group
    std::vector<uint32_t> centroids_begin; ///< in centroid_nos
    std::vector<float> min_centroid_scales;
    std::vector<float> max_centroid_scales;

    std::vector<float> biases;                ///< of groups, for one query
    std::vector<std::vector<int32_t>> limits; ///< of queries and groups
    std::vector<uint32_t> found;
    std::vector<uint16_t> sums;

    void sort_rows();
    void set_group(size_t g);
    void set_limits(
            size_t q,
            const ProductLimit& limit,
            std::vector<int32_t>& out);
    void compute_tile(size_t q0, size_t nq, const float* thresholds);
    void add_candidates(
            size_t q,
            const ProductLimit& limit,
            size_t g0,
            size_t nfound,
            const uint16_t* query_sums);
};

} // namespace faiss_bebr
