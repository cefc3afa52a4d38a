#pragma once

#include "indexes/flat_search.h"
#include "kernels/TableKernels.h"

#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** What sums have to be below for keys to be open, see SumBound, by the number
 * of the document's scale: where documents differ in their sums and scales
 * alone, and scales are of one byte.
 */
struct ScaleLimits {
    static constexpr size_t n = SDCQuantizer::num_scale_values;

    /// whether documents of the queries' codec differ in nothing else
    static bool are_enough_for(const FlatQueries& queries);

    /// of queries that they are enough for
    explicit ScaleLimits(const FlatQueries& queries);

    /// @param limits  output, size n
    void compute(const SumBound& bound, uint16_t* limits) const;

   private:
    std::vector<float> inverse_scales;
    std::vector<float> bias_ratios; ///< of biases to scales
};

} // namespace faiss_bebr
