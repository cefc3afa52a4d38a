#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/DocumentBiases.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"

#include <vector>

namespace faiss_bebr {

/// A block of the codes of an SDCQuantizer. For several queries it is unpacked
/// to levels; a single one is compared with the codes themselves.
struct SDCBlock : DocumentBlock<float> {
    const SDCQuantizer& sdc;
    const LevelQueries& queries;
    const SDCKernels& kernels;
    const uint8_t* codes;             ///< the code of document i is row i
    std::vector<const uint8_t*> rows; ///< the codes of the block
    std::vector<uint8_t> levels;      ///< empty until it is needed
    std::vector<float> scale;
    DocumentBiases biases;
    /// whether load() unpacks to levels, for several queries
    bool unpacks;

    /// @param block_size  documents, a multiple of the group size
    SDCBlock(
            const SDCQuantizer& sdc,
            const LevelQueries& queries,
            const uint8_t* codes,
            size_t block_size);

    void load(const idx_t* ids, size_t n) override;

    void compute(size_t q0, size_t nq, const float* thresholds) override;

    size_t collect(size_t q, float threshold, uint32_t* hits, float* keys)
            override;

   private:
    const size_t block_size;
    std::vector<int32_t> dots; ///< of the last compute()
    size_t first_query = 0;    ///< of it

    /// of the block, rounded up
    size_t get_num_groups() const {
        return (rows.size() + kGroup - 1) / kGroup;
    }
};

} // namespace faiss_bebr
