#pragma once

#include "codes/SDCQuantizer.h"

#include <cstddef>
#include <vector>

namespace faiss_bebr {

/// A query of an SDCQuantizer after the query map.
struct MappedQuery {
    std::vector<float> values; ///< size dim()
    /// times the range, of the dimensions that have levels
    std::vector<float> ranged;

    explicit MappedQuery(const SDCQuantizer& sdc);

    /** Take up query i of x; throws if it overflows in the map.
     * @return  the largest magnitude of what is ranged
     */
    float set(const SDCQuantizer& sdc, const float* x, size_t i);
};

} // namespace faiss_bebr
