#pragma once

#include "indexes/CandidateKeys.h"
#include "indexes/ColumnBlock.h"
#include "indexes/ColumnTerms.h"
#include "indexes/ScaleLimits.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace faiss_bebr {

/** A block of columns of which few documents have keys below the thresholds,
 * for few queries. As of BoundBlock, only those are compared by their codes
 * whose bounds leave that open, or keys are estimates; each document has a
 * bound of its own. Estimates are not for METRIC_L2 with centroids or several
 * planes, where norms would take the codes of all documents.
 */
struct ColumnBoundBlock : DocumentBlock<float> {
    /// documents of a block
    static constexpr size_t block_size = 128 * kColumn;

    ColumnBoundBlock(
            const FlatQueries& queries,
            const DocumentColumns& documents);

    void load(const idx_t* ids, size_t n) override;

    void load_range(idx_t i, size_t n) override;

    void compute(size_t q0, size_t nq, const float* thresholds) override;

    size_t collect(size_t q, float threshold, uint32_t* hits, float* keys)
            override;

    bool is_worth_it() const override;

   private:
    /// compared at once, at most: so many that what a call takes does not
    /// count, and few enough for the first-level cache
    static constexpr size_t max_groups = 32;

    /// 64 documents side by side, of which some are in the block
    struct Group {
        size_t number;
        uint64_t members;
        uint32_t first_place; ///< in the block, of the first member

        /// in the block, past its end for those of others
        size_t get_place(size_t j) const {
            const uint64_t bit = uint64_t(1) << j;
            return (members & bit) == 0
                    ? std::numeric_limits<size_t>::max()
                    : first_place + __builtin_popcountll(members & (bit - 1));
        }
    };

    /// documents whose keys are open
    struct Candidates {
        std::vector<uint32_t> places; ///< in the block
        std::vector<uint16_t> sums;
        std::vector<uint8_t> codes; ///< for estimates without the planes

        void resize(size_t n, size_t code_size) {
            places.resize(n);
            sums.resize(n);
            codes.resize(n * code_size);
        }
    };

    const FlatQueries& queries;
    const SDCQuantizer& sdc;
    const DocumentColumns all_documents;
    const TableKernels& table_kernels;
    const float largest_scale;
    std::optional<ScaleLimits> scale_limits;
    std::optional<ColumnTerms> terms; ///< unless there are scale_limits

    /// what the groups are of: all documents, or a copy of those of the block
    DocumentColumns documents;
    ColumnCodes copied;
    std::vector<float> copied_norms;

    size_t ngroups = 0;
    size_t ndocuments = 0;
    size_t first = 0;          ///< of the documents, if they are a range
    std::vector<Group> groups; ///< empty for a range

    std::vector<Candidates> candidates; ///< of the queries of compute()
    size_t first_query = 0;             ///< of these
    size_t ncandidates = 0;             ///< since the last load
    size_t npairs = 0;                  ///< likewise

    // working memory
    /// by scale_limits, of the queries of compute()
    std::vector<uint16_t> limits;
    CandidateKeys candidate_keys;
    std::vector<uint16_t> sums;
    std::vector<uint32_t> found;
    std::vector<const uint8_t*> candidate_codes;

    void begin_block(size_t n);
    void copy_documents(const idx_t* ids);
    void set_range(size_t begin);
    size_t get_number(size_t g) const;
    size_t get_run(size_t g) const;
    SumBound make_bound(size_t q, float threshold) const;
    void prefetch_tails(size_t first_group, size_t n) const;
    size_t find_open(
            size_t i,
            const SumBound& bound,
            size_t first_group,
            size_t n);
    void add_candidates(size_t i, size_t g0, size_t nfound);
};

} // namespace faiss_bebr
