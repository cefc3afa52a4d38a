#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/IndexFlatCodes.h>

#include <vector>

namespace faiss_bebr {

struct BinarizerTransform;

using faiss::idx_t;

/** How IndexSDC chooses the scale s of a document y with the quantized values
 * v = V * layout.unit(). Products and norms are weighted by query_weight.
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

/** Exhaustive search over the codes of a binarizer's output, by integer
 * distances between level-quantized queries and multi-bit codes.
 *
 * Input vectors are on the paper's scale: b_u of a recurrent binarizer, values
 * in (-2, 2); others are clipped to that grid. A code is the planes of
 * PlaneLayout followed by a scale s, a float16 in the machine's byte order;
 * the planes may be fewer than the input's, whose first ones they are. The
 * decoded vector is s * V * layout.unit().
 *
 * Queries are level-quantized by an affine map and int8 rounding with one step
 * per query, see quantize_queries(). The distances are those of IndexFlatIP or
 * IndexFlatL2 between the level-quantized query and the decoded vectors, up to
 * the rounding of float sums; for METRIC_L2 with both multiplied by the square
 * roots of query_weight. Ties go to the smaller id.
 */
struct IndexSDC : faiss::IndexFlatCodes {
    PlaneLayout layout;
    ScaleType scale_type = Scale_unbiased;

    /** The query's affine map, size d each: a query y counts as
     * q = query_weight * y + query_offset. For codes of centred data the offset
     * brings back the mean that the score of an uncentred query needs. With
     * METRIC_L2 the weights are those of the squared differences and the
     * offset is not used, as distances do not depend on the centre.
     */
    std::vector<float> query_weight;
    std::vector<float> query_offset;

    /// train() takes the query's map from here and then forgets it; not owned
    const BinarizerTransform* binarizer = nullptr;

    /** @param m       dimensions, a multiple of 8
     *  @param nbits   bits per dimension, 1 to 8
     *  @param metric  METRIC_L2 or METRIC_INNER_PRODUCT
     */
    IndexSDC(int m, int nbits, faiss::MetricType metric = faiss::METRIC_L2);

    /// planes of given widths, see PlaneLayout
    explicit IndexSDC(
            const std::vector<int>& plane_widths,
            faiss::MetricType metric = faiss::METRIC_L2);

    /** The first nbits planes of a binarizer's code, with its query map and the
     * ScaleType for these. An untrained binarizer makes an untrained
     * index, which takes the map when it is trained and needs the binarizer
     * until then.
     */
    IndexSDC(
            const BinarizerTransform& binarizer,
            int nbits,
            faiss::MetricType metric = faiss::METRIC_L2);

    /** Only while the index is empty, as scales of documents depend on it.
     * @param weight  not negative, size d
     * @param offset  size d
     */
    void set_query_map(
            const std::vector<float>& weight,
            const std::vector<float>& offset);

    /// only while the index is empty
    void set_scale_type(ScaleType type);

    /// takes the query's map from a trained binarizer; the vectors are not used
    void train(idx_t n, const float* x) override;

    /// nothing changes when it throws, for a value that is not finite or too
    /// large for the scale
    void add(idx_t n, const float* x) override;

    /// ids are sequential and xids is not used, as in IndexFlatCodes
    void add_sa_codes(idx_t n, const uint8_t* codes, const idx_t* xids)
            override;

    /// the ids of the vectors that stay move up, in order
    size_t remove_ids(const faiss::IDSelector& sel) override;

    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;

    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;

    /// strict comparison: < radius, or > radius for the inner product
    void range_search(
            idx_t n,
            const float* x,
            float radius,
            faiss::RangeSearchResult* result,
            const faiss::SearchParameters* params = nullptr) const override;

    void search1(
            const float* x,
            faiss::ResultHandler& handler,
            faiss::SearchParameters* params = nullptr) const override;

    faiss::FlatCodesDistanceComputer* get_FlatCodesDistanceComputer()
            const override;

    void check_compatible_for_merge(
            const faiss::Index& otherIndex) const override;

    void merge_from(faiss::Index& otherIndex, idx_t add_id = 0) override;

    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;

    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;

    /** What search() compares with decoded vectors.
     * @param x  queries, size n * d
     * @param q  output, size n * d; for METRIC_L2 it is divided by the weights
     */
    void quantize_queries(idx_t n, const float* x, float* q) const;
};

} // namespace faiss_bebr
