#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/MetricType.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

struct BinarizerTransform;

/** How SDCQuantizer chooses the scale s of a document y with the quantized
 * values v = V * layout.unit(). Products and norms are weighted by
 * query_weight.
 */
enum ScaleType {
    /// <y, y> / <y, v>: the estimate of <q, y> is unbiased along y. For input
    /// that is finer than the code; default of METRIC_INNER_PRODUCT.
    Scale_unbiased,
    /// <y, v> / <v, v>: the decoded vector is as close to y as it can be.
    /// Default of METRIC_L2.
    Scale_least_squares,
    /// decoded vectors all have the norm of a vector of ones: documents differ
    /// in direction only, which ranks by the cosine of codes as the paper does.
    /// For unit-length embeddings whose codes are stored in full; default of
    /// METRIC_INNER_PRODUCT for these.
    Scale_cosine,
};

/** The codec of IndexSDC and IndexIVFSDC: multi-bit codes with a scale, and the
 * affine map of the queries that are compared with them.
 *
 * Input vectors divided by `range` are on the paper's scale, b_u of a recurrent
 * binarizer with values in (-2, 2); others are clipped to that grid. A code is
 * the planes of PlaneLayout followed by a scale s, a float16 in the machine's
 * byte order; the planes may be fewer than the input's, whose first ones they
 * are. The decoded vector is s * V * layout.unit().
 */
struct SDCQuantizer {
    PlaneLayout layout;
    faiss::MetricType metric_type = faiss::METRIC_L2;
    ScaleType scale_type = Scale_least_squares;

    /// what input is divided by before it is quantized; 1 for the output of
    /// a binarizer
    float range = 1;

    /** The query's affine map, size d each: a query y counts as
     * q = query_weight * y + query_offset. For codes of centred data the offset
     * brings back the mean that the score of an uncentred query needs. With
     * METRIC_L2 the weights are those of the squared differences and the
     * offset is not used, as distances do not depend on the centre.
     */
    std::vector<float> query_weight;
    std::vector<float> query_offset;

    SDCQuantizer() = default;

    /// @param plane_widths  see PlaneLayout
    /// @param metric        METRIC_L2 or METRIC_INNER_PRODUCT
    SDCQuantizer(
            const std::vector<int>& plane_widths,
            faiss::MetricType metric);

    /// the first nbits planes of a binarizer's code, with the ScaleType for
    /// these; without its query map, see take_query_map()
    SDCQuantizer(
            const BinarizerTransform& binarizer,
            int nbits,
            faiss::MetricType metric);

    int dim() const {
        return layout.dim();
    }
    /// bytes of the planes and the scale
    size_t code_size() const {
        return layout.code_size() + sizeof(uint16_t);
    }

    /// @param weight  not negative, size dim()
    /// @param offset  size dim()
    void set_query_map(
            const std::vector<float>& weight,
            const std::vector<float>& offset);

    /// the query map of the binarizer that makes the codes; throws if it is
    /// not trained
    void take_query_map(const BinarizerTransform& binarizer);

    /** Sets the range so that the grid has the least squared error for Gaussian
     * values of the mean square of x.
     * @param x  size n * dim(), n > 0
     */
    void train_range(size_t n, const float* x);

    /** Throws for a value that is not finite or too large for the scale.
     * @param x      size n * dim()
     * @param codes  output, size n * code_size()
     */
    void compute_codes(const float* x, uint8_t* codes, size_t n) const;

    /// inverse of compute_codes, up to the loss of precision
    void decode(const uint8_t* codes, float* x, size_t n) const;

    /// the scale at the end of a code
    float get_scale(const uint8_t* code) const;

    /// whether the codes of the other one are comparable; throws if not
    void check_compatible(const SDCQuantizer& other) const;
};

} // namespace faiss_bebr
