#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/CandidateKeys.h"
#include "indexes/DocumentNorms.h"
#include "indexes/ProductLimit.h"
#include "indexes/TableQueries.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"

#include <memory>
#include <vector>

namespace faiss_bebr {

/// Queries, their tables, and the codes that they are compared with.
struct BoundScan {
    const SDCQuantizer& sdc;
    const LevelQueries& queries;
    const TableQueries& tables;
    const TableKernels& kernels;
    const uint8_t* codes; ///< the code of document i is row i

    /// documents of the blocks, a multiple of kColumn
    size_t get_block_size() const;
};

/** A block of the codes of an SDCQuantizer of which few documents have keys
 * below the thresholds. By bounds, only those are compared by their codes whose
 * bounds by table look-up leave that open; their keys are the same bits as
 * SDCBlock's. By estimates, keys are those of the sums.
 */
struct BoundBlock : DocumentBlock<float> {
    const BoundScan scan;

    explicit BoundBlock(const BoundScan& scan);

    size_t collect(size_t q, float threshold, uint32_t* hits, float* keys)
            override;

    bool is_worth_it() const override;

   protected:
    /// groups whose sums for a tile of queries stay in the first-level cache
    static constexpr size_t groups_at_once = 4;

    std::vector<const uint8_t*> rows;
    /// the place in the block of row j, where rows are in another order
    std::vector<uint32_t> places;

    /// documents that may have keys below a threshold
    struct Candidates {
        std::vector<uint32_t> rows;
        std::vector<uint16_t> sums;

        void add(size_t row, uint16_t sum) {
            rows.push_back(static_cast<uint32_t>(row));
            sums.push_back(sum);
        }
    };

    DocumentNorms get_norm;
    size_t npairs = 0; ///< compared since the last load()

    /// for load(): the codes in the order of ids
    void set_rows(const idx_t* ids, size_t n);
    /// for compute(): there are no candidates of the queries from q0 on
    void clear_candidates(size_t q0, size_t nq);
    Candidates& get_candidates(size_t q) {
        return candidates[q - first_query];
    }
    size_t get_num_groups() const {
        return (rows.size() + kColumn - 1) / kColumn;
    }
    /// the rows of the table's kernels for group g
    void transpose_group(size_t g, TableRow* columns) const;
    /// 1 / the largest scale in a group; NaN: there are no bounds
    float get_inverse_scale(size_t g) const;
    /// the least that METRIC_L2 adds for a document of a group alone
    float get_min_norm(size_t g);

   private:
    size_t first_query = 0; ///< of the last compute()
    std::vector<Candidates> candidates;
    size_t ncandidates = 0; ///< since the last load()

    // working memory of collect()
    std::vector<const uint8_t*> candidate_rows;
    CandidateKeys candidate_keys;
};

/// a block of scan.get_block_size() documents
std::unique_ptr<BoundBlock> make_bound_block(const BoundScan& scan);

inline void prefetch_code(const uint8_t* code, size_t code_size) {
    for (size_t i = 0; i < code_size; i += 64) {
        __builtin_prefetch(code + i);
    }
}

} // namespace faiss_bebr
