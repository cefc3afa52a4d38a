#pragma once

#include "indexes/ColumnCodes.h"
#include "indexes/SDCDistanceComputer.h"

#include <vector>

namespace faiss_bebr {

/// SDCDistanceComputer for codes side by side: those that it compares are
/// copied one after the other.
struct ColumnDistanceComputer : SDCDistanceComputer {
    const ColumnCodes& columns;

    ColumnDistanceComputer(const SDCQuantizer& sdc, const ColumnCodes& columns);

    float operator()(idx_t i) override;

    void distances_batch_4(
            const idx_t idx0,
            const idx_t idx1,
            const idx_t idx2,
            const idx_t idx3,
            float& dis0,
            float& dis1,
            float& dis2,
            float& dis3) override;

    float symmetric_dis(idx_t i, idx_t j) override;

   private:
    std::vector<uint8_t> rows; ///< four codes

    const uint8_t* read(idx_t i, size_t row);
};

} // namespace faiss_bebr
