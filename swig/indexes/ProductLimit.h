#pragma once

#include "indexes/TableQueries.h"
#include "indexes/sdc_queries.h"

#include <cmath>
#include <cstdint>
#include <limits>

namespace faiss_bebr {

/** What sums of tables have to be below, for keys of a query below a threshold.
 *
 * A key is b - s a X, with what is added for the document alone, its scale, a
 * positive factor of the query and X = <levels, V>. So for a key below T
 *
 *     X > (b - T) / (s a)
 *
 * unless b < T, when small scales need not even that. The key's own rounding
 * is of the order of 1e-7 of its terms.
 */
struct ProductLimit {
    float bias, threshold, max_product, step, inverse_step, factor;
    float inverse_factor; ///< NaN: too large, there is no limit

    /// above all sums
    static constexpr float no_limit = 65536;

    ProductLimit(
            const LevelQueries& queries,
            const TableQueries& tables,
            size_t q,
            float threshold_in)
            : bias(queries.bias[q]), threshold(threshold_in) {
        factor = -tables.key_scale[q];
        inverse_factor = 1 / factor;
        if (!std::isfinite(inverse_factor)) {
            inverse_factor = std::numeric_limits<float>::quiet_NaN();
        }
        max_product = tables.max_product[q];
        step = tables.step[q];
        inverse_step = 1 / step;
    }

    /// @param doc_bias       at most those of the documents
    /// @param inverse_scale  at most theirs; NaN: not known
    int32_t get(float doc_bias, float inverse_scale) const {
        const float gap =
                bias + doc_bias - threshold - get_rounding(doc_bias, threshold);
        const float min_product = gap * inverse_factor * inverse_scale;
        // of steps, rounded up
        const float limit = (max_product - min_product) * inverse_step + 2;
        // in forms that have NaN at the greatest, and compilers vectorize
        const float below = limit < no_limit ? limit : no_limit;
        const float at_least_0 = below > 0 ? below : 0;
        return static_cast<int32_t>(gap > 0 ? at_least_0 : no_limit);
    }

    /// whether a document may have a key below the threshold
    bool allows(float doc_bias, float scale, uint16_t sum) const {
        const float product = max_product - step * static_cast<float>(sum);
        const float term = scale * (factor * product);
        // NaN is allowed
        return !(
                bias + doc_bias - term - get_rounding(doc_bias, term) >=
                threshold);
    }

   private:
    float get_rounding(float doc_bias, float term) const {
        return 1e-30f +
                1e-6f *
                (std::fabs(bias) + std::fabs(doc_bias) + std::fabs(term));
    }
};

} // namespace faiss_bebr
