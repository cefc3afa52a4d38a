#include "indexes/ScaleLimits.h"

#include "indexes/DocumentNorms.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace faiss_bebr {

bool ScaleLimits::are_enough_for(const FlatQueries& queries) {
    const SDCQuantizer& sdc = queries.sdc;
    // the norms of signs are all the same before their scales
    const bool has_equal_norms =
            queries.has_estimates() && queries.tables->layout.nplanes() == 1;
    return sdc.scale_bytes == 1 && sdc.ncentroids == 0 &&
            (sdc.metric_type != faiss::METRIC_L2 || has_equal_norms);
}

ScaleLimits::ScaleLimits(const FlatQueries& queries)
        : inverse_scales(n), bias_ratios(n) {
    const SDCQuantizer& sdc = queries.sdc;
    const PlaneLayout& layout = queries.tables->layout;
    const float norm = sdc.metric_type == faiss::METRIC_L2
            ? get_norm_of_signs(sdc, layout) * (1 - kRoundingOfBounds)
            : 0;
    for (size_t i = 0; i < n; i++) {
        const float scale = sdc.scale_values[i];
        const float step = scale * layout.unit();
        // that of 0 is infinite, and there are none of denormals
        inverse_scales[i] = scale == 0 || std::isnormal(scale)
                ? 1 / scale
                : std::numeric_limits<float>::quiet_NaN();
        bias_ratios[i] =
                scale == 0 ? 0 : step * step * norm * inverse_scales[i];
    }
}

/** What is open has
 *
 *     sum < product / step - (gap / scale + bias / scale) / step
 *
 * and what is NaN here leaves it open.
 */
void ScaleLimits::compute(const SumBound& bound, uint16_t* limits) const {
    // sums are below it, as those of kMaxTableBytes are
    constexpr float most = std::numeric_limits<uint16_t>::max();
    if (!(bound.step >= std::numeric_limits<float>::min())) {
        std::fill_n(limits, n, std::numeric_limits<uint16_t>::max());
        return;
    }
    // both terms of what may cancel out are a little less than they are
    const float gap = bound.gap > 0 ? bound.gap * (1 - kRoundingOfBounds)
                                    : bound.gap * (1 + kRoundingOfBounds);
    const float inverse_step = 1 / bound.step;
    // one more for what is cut off, and one for rounding
    const float first = bound.product * inverse_step + 2;
    // apart, as compilers do not vectorize both at once well
    float values[n];
    for (size_t i = 0; i < n; i++) {
        const float rest = gap * inverse_scales[i] + bias_ratios[i];
        const float limit = first - rest * inverse_step;
        values[i] = std::max(0.0f, std::min(most, limit));
    }
    for (size_t i = 0; i < n; i++) {
        limits[i] = static_cast<uint16_t>(static_cast<int32_t>(values[i]));
    }
}

} // namespace faiss_bebr
