#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/DocumentNorms.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"

#include <faiss/impl/DistanceComputer.h>

#include <algorithm>
#include <memory>

namespace faiss_bebr {

using faiss::idx_t;

/** Distances between a query or a stored vector and stored vectors, as graphs
 * and refinement ask for them: those of a query are the same bits as the
 * results of search().
 */
struct SDCDistanceComputer : faiss::FlatCodesDistanceComputer {
    const SDCQuantizer& sdc;
    const SDCKernels& kernels;
    const PlanesView planes;
    /// nullptr: a query that search() would refuse
    std::unique_ptr<LevelQueries> query;

    SDCDistanceComputer(const SDCQuantizer& sdc, const uint8_t* codes);

    /// FAISS calls this in parallel regions that no exception may leave: a
    /// query that search() would refuse is infinitely far from everything
    void set_query(const float* x) override;

    float distance_to_code(const uint8_t* code) override;

    void distance_to_code_batch_4(
            const uint8_t* c1,
            const uint8_t* c2,
            const uint8_t* c3,
            const uint8_t* c4,
            float& d1,
            float& d2,
            float& d3,
            float& d4) override;

    /** The distance that search() would give for decoded vector i as a query,
     * not rounded to levels, and stored vector j. With the inner product and a
     * query_offset it is not symmetric: graphs prune by comparing the score of
     * a query and j with that of i and j, and both have to count the offset
     * once, or links get lost where it is large.
     */
    float symmetric_dis(idx_t i, idx_t j) override;

    /// all lines of a code, which can be anywhere in memory
    void prefetch(const uint8_t* code) const {
        for (size_t i = 0; i < code_size + 63; i += 64) {
            __builtin_prefetch(code + std::min(i, code_size - 1));
        }
    }

    /** Keys of n codes, of which the least one is the nearest, for the present
     * query: there has to be one.
     */
    void compute_keys(const uint8_t* const* rows, size_t n, float* keys);

   private:
    DocumentNorms get_norm;
    std::vector<int32_t> dots; ///< of the last rows
    std::vector<float> buffer; ///< working memory
    std::vector<float> zeros;

    void distances(const uint8_t* const* rows, size_t n, float* out);
    float multiply(const uint8_t* code);
    float compare_with_centroids(const uint8_t* a, const uint8_t* b);
};

} // namespace faiss_bebr
