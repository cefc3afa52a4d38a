#pragma once

#include "codes/SDCQuantizer.h"
#include "kernels/SDCKernels.h"

#include <vector>

namespace faiss_bebr {

/** Level-quantized queries of an SDCQuantizer: q is about step * levels, levels
 * being signed 8-bit integers.
 */
struct LevelQueries {
    std::vector<int8_t> levels; ///< n * d
    std::vector<float> step;    ///< n
    /// sum of levels * level_base, what turns dots into <levels, V>; size n
    std::vector<int32_t> shift;
    /// what a query adds to all its keys: its squared norm in the metric of the
    /// weights, zero for the inner product; size n
    std::vector<float> bias;

    LevelQueries() = default;

    /// see set()
    LevelQueries(const SDCQuantizer& sdc, size_t n, const float* x);

    /** Level-quantize other queries; throws as check_queries() does.
     * @param x  size n * d
     */
    void set(const SDCQuantizer& sdc, size_t n, const float* x);

    /** The queries that the levels stand for.
     * @param q  output, size n * d; for METRIC_L2 it is divided by the weights
     */
    void decode(const SDCQuantizer& sdc, float* q) const;

    /// how the kernels make a distance key of the dots of query i
    FloatKey key(
            const SDCQuantizer& sdc,
            size_t i,
            const float* doc_scale,
            const float* doc_bias) const;

    /** The key of one document for query i, as the kernels make it.
     * @param dot  of the query's levels and the document's
     */
    float get_key(
            const SDCQuantizer& sdc,
            const SDCKernels& kernels,
            size_t i,
            int32_t dot,
            const uint8_t* code) const;
};

/// throws for queries that are not finite or overflow in the query map
void check_queries(const SDCQuantizer& sdc, size_t n, const float* x);

/// the distance that a key stands for; rounding may leave the square of a
/// distance just below 0
float key_to_distance(faiss::MetricType metric_type, float key);

/** The squared norm of a decoded vector in the metric of the weights, as the
 * keys of METRIC_L2 need it.
 * @param scale  that of the code
 */
float get_decoded_norm(
        const SDCQuantizer& sdc,
        const SDCKernels& kernels,
        const uint8_t* code,
        float scale);

} // namespace faiss_bebr
