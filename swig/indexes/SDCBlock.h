#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"

#include <vector>

namespace faiss_bebr {

/// A block of the codes of an SDCQuantizer, unpacked to levels.
struct SDCBlock : DocumentBlock<float> {
    const SDCQuantizer& sdc;
    const LevelQueries& queries;
    const SDCKernels& kernels;
    const uint8_t* codes; ///< the code of document i is row i
    size_t ngroups = 0;
    std::vector<uint8_t> levels;
    std::vector<float> scale;
    std::vector<float> norm; ///< empty for the inner product

    /// @param block_size  documents, a multiple of the group size
    SDCBlock(
            const SDCQuantizer& sdc,
            const LevelQueries& queries,
            const uint8_t* codes,
            size_t block_size);

    void load(const idx_t* ids, size_t n) override;

    void compute(size_t q0, size_t nq, int32_t* dots) override;

    size_t collect(
            size_t q,
            const int32_t* dots,
            float threshold,
            uint32_t* hits,
            float* keys) override;
};

} // namespace faiss_bebr
