#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/Clustering.h>
#include <faiss/MetricType.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace faiss_bebr {

struct BinarizerTransform;

/** How SDCQuantizer chooses the scale s of a document y with the quantized
 * values v = V * layout.unit() * range. Products and norms are weighted by
 * query_weight, and are of the dimensions that have bits.
 */
enum ScaleType {
    /// <y, y> / <y, v>: the estimate of <q, y> is unbiased along y. For input
    /// that is finer than the code; default of METRIC_INNER_PRODUCT. Where the
    /// range is learned it is nearly so along the whole vector instead, and
    /// less wrong in other directions, see CodeChooser.
    Scale_unbiased,
    /// <y, v> / <v, v>: the decoded vector is as close to y as it can be.
    /// Default of METRIC_L2. Where the range is learned, squared errors along y
    /// count twice.
    Scale_least_squares,
    /// decoded vectors all have the norm of a vector of ones: documents differ
    /// in direction only, which ranks by the cosine of codes as the paper does.
    /// For unit-length embeddings whose codes are stored in full; default of
    /// METRIC_INNER_PRODUCT for these, unless the binarizer is continuous.
    Scale_cosine,
};

/** The codec of IndexSDC and IndexIVFSDC: multi-bit codes with a scale, and the
 * affine map of the queries that are compared with them.
 *
 * Input vectors divided by `range` are on the paper's scale, b_u of a recurrent
 * binarizer with values in (-2, 2); others are clipped to that grid. A code is
 * the planes of PlaneLayout followed by a scale s, a float16; the planes may be
 * fewer than the input's, whose first ones they are. The decoded vector is v =
 * s * V * layout.unit() * range, and 0 in dimensions that have no bits. Where
 * the range is learned the scale may be one byte, the number of one of
 * scale_values.
 *
 * With a coarse first stage, all this is about the vector less a centroid c,
 * and the decoded vector is c + v. Of the max_beam_size nearest centroids it is
 * the one whose code leaves the least error. The centroid has all dimensions,
 * also those without bits. Its number follows the scale:
 *
 *     [ planes ][ scale: 1 or 2 bytes ][ number: 0, 1 or 2 bytes ]
 *
 * Numbers of two bytes, and float16, are in the machine's byte order.
 *
 * Where the range is learned, input is finer than the code, and the nearest
 * point of the grid is not the best code, see CodeChooser.
 */
struct SDCQuantizer {
    PlaneLayout layout;
    faiss::MetricType metric_type = faiss::METRIC_L2;
    ScaleType scale_type = Scale_least_squares;

    /** What input is divided by before it is quantized, size
     * layout.coded_dim(): ones for the planes of a binarizer. Where it is 0,
     * input had no variance, and is decoded as 0.
     */
    std::vector<float> range;

    /** What input is divided by beside the range. Decoded vectors are not
     * multiplied by it, as their scales are: so are the codes in files of
     * format version 1, whose range was one number. In others it is 1.
     */
    float grid_step = 1;

    /** The query's affine map, size dim() each: a query y counts as
     * q = query_weight * y + query_offset. For codes of centred data the offset
     * brings back the mean that the score of an uncentred query needs. With
     * METRIC_L2 the weights are those of the squared differences and the
     * offset is not used, as distances do not depend on the centre.
     */
    std::vector<float> query_weight;
    std::vector<float> query_offset;

    /** What the error of a decoded vector costs, where that is not the squared
     * error with the weights of the query's map: e' * error_weight * e, up to a
     * factor, for an error e of all dimensions. Symmetric and positive
     * semidefinite, size dim() * dim(), or 0. Errors in directions that queries
     * hardly have are cheap. It has no part in codes that are the planes of the
     * input as they are, nor in those of Scale_cosine, see CodeChooser, and
     * none in what is decoded.
     */
    std::vector<float> error_weight;

    /// what the query map takes for the mean of the vectors: query_offset /
    /// query_weight, or 0; size dim()
    std::vector<float> origin;

    /// of a code: 2 for a float16, 1 for the number of one of scale_values
    size_t scale_bytes = 2;

    /** What scales of one byte stand for, learned by training; the first one
     * is 0. All 0 before training, and empty for scales of two bytes. Other
     * scales are rounded to them, and clipped.
     */
    std::vector<float> scale_values;

    /** What goes with them where there are some: the decoded vector is
     * t * (c + z) - z + v, t being one of these and z the origin. Codes of few
     * bits leave vectors too short, some more than others, which costs inner
     * products recall; s and t make up for it, up to the rounding of both. The
     * first one is 1. Empty before training, and where there are none.
     */
    std::vector<float> centroid_scales;

    /// of the coarse first stage, at most max_ncentroids; 0: there is none
    size_t ncentroids = 0;
    /// size ncentroids * dim(), empty before training
    std::vector<float> centroids;

    /// What kernels multiply V by, size layout.coded_dim():
    /// query_weight * range^2, and query_offset * range
    std::vector<float> coded_weight;
    std::vector<float> coded_offset;

    static constexpr size_t max_ncentroids = 65536;
    /// the nearest centroids that are tried for a vector; 16 recall no more
    static constexpr size_t max_beam_size = 4;
    static constexpr size_t num_scale_values = 256;

    SDCQuantizer() = default;

    /// @param plane_widths, d  see PlaneLayout
    /// @param metric           METRIC_L2 or METRIC_INNER_PRODUCT
    SDCQuantizer(
            const std::vector<int>& plane_widths,
            faiss::MetricType metric,
            int d = 0,
            size_t ncentroids = 0);

    /** Codes of a binarizer's output, with the ScaleType for these; without
     * its query map, see take_query_map(). Scales are of one byte where the
     * range is learned, and where the binarizer was given a budget.
     * @param nbits          the first planes of its code; 0: what it is
     *                       trained for, see
     *                       BinarizerTransform::document_plane_widths
     * @param has_centroids  whether those count that it is trained for
     */
    SDCQuantizer(
            const BinarizerTransform& binarizer,
            int nbits,
            faiss::MetricType metric,
            bool has_centroids = true);

    /// the same of any plane widths
    SDCQuantizer(
            const BinarizerTransform& binarizer,
            const std::vector<int>& plane_widths,
            faiss::MetricType metric,
            size_t ncentroids = 0);

    int dim() const {
        return layout.dim();
    }
    size_t code_size() const {
        return centroid_offset() + centroid_bytes();
    }
    /// where the number of the centroid is in a code
    size_t centroid_offset() const {
        return layout.code_size() + scale_bytes;
    }
    /// of that number
    size_t centroid_bytes() const {
        return ncentroids == 0 ? 0 : ncentroids <= 256 ? 1 : 2;
    }
    /// whether codes are the planes of the input as they are
    bool has_plain_range() const;

    /// @param weight  not negative, size dim()
    /// @param offset  size dim()
    void set_query_map(
            const std::vector<float>& weight,
            const std::vector<float>& offset);

    /// @param weight  symmetric, size dim() * dim(), the diagonal not negative;
    ///                or empty
    void set_error_weight(const std::vector<float>& weight);

    /// the query map and the weights of errors of the binarizer that makes the
    /// codes; throws if it is not trained
    void take_query_map(const BinarizerTransform& binarizer);

    /// takes plane widths, ncentroids and scale_bytes from what the binarizer
    /// is trained for; Scale_cosine stays only if it is for such codes
    void take_shape(
            const BinarizerTransform& binarizer,
            bool has_centroids = true);

    /// @param range      finite and not negative, size layout.coded_dim()
    /// @param grid_step  finite and positive
    void set_range(const std::vector<float>& range, float grid_step = 1);

    /// @param nbytes  1 or 2; with 1 the range has to be learned
    void set_scale_bytes(size_t nbytes);

    /** Of one byte.
     * @param values     size num_scale_values, the first one 0; ascending
     *                   without the others
     * @param centroids  of the same size, the first one 1, or empty
     */
    void set_scale_values(
            const std::vector<float>& values,
            const std::vector<float>& centroids = {});

    /// whether scale_values have been learned
    bool has_scale_values() const;

    /// whether training learns centroid_scales
    bool needs_centroid_scales() const {
        return scale_bytes == 1 && ncentroids > 0 &&
                metric_type == faiss::METRIC_INNER_PRODUCT &&
                scale_type == Scale_unbiased;
    }

    /// whether codes are chosen by error_weight
    bool has_error_weight() const {
        return !error_weight.empty() && !has_plain_range() &&
                scale_type != Scale_cosine;
    }

    /// throws if vectors of the binarizer have another dimension or fewer
    /// planes in a dimension
    void check_fits(const BinarizerTransform& binarizer) const;

    /// whether range, scales and centroids have to be learned of the
    /// binarizer's output, as the codes are not the first planes of it
    bool needs_training(const BinarizerTransform& binarizer) const;

    /** Sets the range so that in each dimension the grid has the least squared
     * error for Gaussian values of the mean square that y has in it, and the
     * values of one-byte scales.
     * @param y  size n * dim(), n > 0; less their centroids if there are some
     * @param x  with them; nullptr: y
     */
    void train_range(size_t n, const float* y, const float* x = nullptr);

    /** Clusters x, unless there are centroids already, and learns the range of
     * a sample less its centroids. Centroids of its own it moves to where the
     * codes of their vectors leave the least error, some rounds, as
     * faiss::ResidualQuantizer refines its codebooks.
     * @param x  size n * dim(), n > 0; to be clustered, n > ncentroids
     */
    void train(size_t n, const float* x, const faiss::ClusteringParameters& cp);

    /// throws if there should be centroids and are none
    void check_centroids() const;

    /// the same, and of the values of one-byte scales
    void check_trained() const;

    /** The nearest centroids, the nearest one first.
     * @param x        size n * dim()
     * @param k        1..ncentroids
     * @param numbers  output, size n * k; those past the first one may be -1,
     *                 where distances overflow
     */
    void find_centroids(
            size_t n,
            const float* x,
            size_t k,
            faiss::idx_t* numbers) const;

    /** Throws for a value that is not finite or too large for the scale.
     * @param x      size n * dim()
     * @param codes  output, size n * code_size()
     * @param whole  finite vectors that x are the residuals of, if they are
     *               residuals of others than `centroids`
     */
    void compute_codes(
            const float* x,
            uint8_t* codes,
            size_t n,
            const float* whole = nullptr) const;

    /// inverse of compute_codes, up to the loss of precision
    void decode(const uint8_t* codes, float* x, size_t n) const;

    /// the scale behind the planes of a code
    float get_scale(const uint8_t* code) const;

    /// the scales of n codes
    void get_scales(const uint8_t* const* codes, size_t n, float* scales) const;

    /// the number of the nearest one of ascending scale_values
    size_t find_scale(float scale) const;

    /// what the centroid of a code is multiplied by
    float get_centroid_scale(const uint8_t* code) const {
        return centroid_scales.empty()
                ? 1.0f
                : centroid_scales[code[layout.code_size()]];
    }

    /// the largest scale of n codes, n > 0; NaN if one of them is, as only
    /// codes of foreign bytes are
    float get_max_scale(const uint8_t* const* codes, size_t n) const;

    /// the number of the code's centroid, below ncentroids whatever the bytes
    /// are; 0 if there are none
    size_t get_centroid_no(const uint8_t* code) const {
        if (ncentroids == 0) {
            return 0;
        }
        uint16_t number = code[centroid_offset()];
        if (centroid_bytes() == 2) {
            std::memcpy(&number, code + centroid_offset(), 2);
        }
        return std::min<size_t>(number, ncentroids - 1);
    }

    /// of the code, size dim(); only with centroids
    const float* get_centroid(const uint8_t* code) const {
        return centroids.data() + get_centroid_no(code) * dim();
    }

    /// what is decoded of the centroid, size dim(); only with centroids
    void decode_centroid(const uint8_t* code, float* x) const;

    /// throws if one of n codes has the number of no centroid
    void check_codes(size_t n, const uint8_t* codes) const;

    /// whether the codes of the other one are comparable; throws if not
    void check_compatible(const SDCQuantizer& other) const;

   private:
    void update_coded_map();
    void train_residuals(size_t n, const float* x);
    void refine_centroids(size_t n, const float* x);
    void train_scales(size_t n, const float* y, const float* x);
};

} // namespace faiss_bebr
