#pragma once

#include "indexes/CandidateKeys.h"
#include "indexes/ColumnBlock.h"

#include <cstdint>
#include <vector>

namespace faiss_bebr {

/// What the documents of a few groups, one after the other, add to their
/// bounds; in the order of sums.
struct ColumnTerms {
    /// groups at once, at most
    static constexpr size_t max_groups = 16;

    explicit ColumnTerms(const FlatQueries& queries);

    void load(const DocumentColumns& documents, size_t first_group, size_t n);

    const float* get_scales() const {
        return scales.data();
    }

    /// @return  nullptr: zeros
    const float* get_biases(size_t q);

   private:
    const FlatQueries& queries;
    const SDCQuantizer& sdc;
    const TableKernels& kernels;
    /// of all documents before their scales, where METRIC_L2 has estimates
    const float norm_of_signs;
    std::vector<uint8_t> scale_table;          ///< see look_up_floats
    std::vector<uint8_t> centroid_scale_table; ///< likewise
    std::vector<float> scales;
    std::vector<float> centroid_scales; ///< empty where these are ones
    std::vector<float> norms;           ///< of groups
    std::vector<float> biases;          ///< working memory

    // of the last load()
    size_t ngroups = 0;
    size_t stride = 0;
    const uint8_t* numbers = nullptr; ///< columns

    void prefetch_tails(const uint8_t* group) const;
    void set_norms_as_biases();
};

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
    /// 64 documents side by side, of which some are in the block
    struct Group {
        size_t number;
        uint64_t members;
        uint32_t first_place; ///< in the block, of the first member

        bool has(size_t j) const {
            return members >> j & 1;
        }
        /// of member j
        uint32_t get_place(size_t j) const {
            const uint64_t before = members & ((uint64_t(1) << j) - 1);
            return first_place +
                    static_cast<uint32_t>(__builtin_popcountll(before));
        }
    };

    /// documents whose keys are open
    struct Candidates {
        std::vector<uint32_t> places; ///< in the block
        std::vector<uint16_t> sums;
        std::vector<uint8_t> codes; ///< for estimates without the planes
    };

    const FlatQueries& queries;
    const SDCQuantizer& sdc;
    const DocumentColumns all_documents;
    const TableKernels& table_kernels;
    const float largest_scale;

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
    ColumnTerms terms;
    CandidateKeys candidate_keys;
    std::vector<uint16_t> sums;
    std::vector<uint32_t> found;
    std::vector<const uint8_t*> candidate_codes;

    void begin_block(size_t n);
    void copy_documents(const idx_t* ids);
    void set_range(size_t begin);
    Group get_group(size_t g) const;
    size_t get_run(size_t g) const;
    SumBound make_bound(size_t q, float threshold) const;
    void add_candidates(size_t q, const SumBound& bound, size_t g0, size_t n);
};

} // namespace faiss_bebr
