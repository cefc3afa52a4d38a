#pragma once

#include "indexes/BoundBlock.h"

#include <vector>

namespace faiss_bebr {

/// For few queries: columns are read right after they are made, and no more is
/// found out about documents than bounds need.
struct StreamedBoundBlock : BoundBlock {
    explicit StreamedBoundBlock(const BoundScan& scan);

    void load(const idx_t* ids, size_t n) override;

    void compute(size_t q0, size_t nq, const float* thresholds) override;

   private:
    std::vector<TableRow> columns; ///< of a few groups
    std::vector<uint32_t> found;
    std::vector<uint16_t> sums;

    float get_min_centroid_key(size_t q, size_t g) const;
};

} // namespace faiss_bebr
