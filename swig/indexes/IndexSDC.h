#pragma once

#include "codes/SDCQuantizer.h"

#include <faiss/Clustering.h>
#include <faiss/IndexFlatCodes.h>

#include <vector>

namespace faiss_bebr {

struct BinarizerTransform;

using faiss::idx_t;

/** How one search of IndexSDC or IndexSDCFastScan is done, in place of the
 * fields of the index. A plain faiss::SearchParameters has only its selector.
 */
struct SearchParametersSDC : faiss::SearchParameters {
    /// see IndexSDC
    float k_factor = 1;
    int first_nbits = 1;

    ~SearchParametersSDC() override {}
};

/** Exhaustive search over the codes of a binarizer's output, by integer
 * distances between level-quantized queries and multi-bit codes.
 *
 * Queries are level-quantized by an affine map and int8 rounding with one step
 * per query, see quantize_queries(); dimensions without bits stay as they are.
 * The distances are those of IndexFlatIP or IndexFlatL2 between the
 * level-quantized query and the decoded vectors, up to the rounding of float
 * sums; with a coarse first stage decoded vectors are centroids plus residuals
 * (scaled centroids, see SDCQuantizer::centroid_scales), and the query is the
 * same for both; for METRIC_L2 with both multiplied by the square roots of
 * sdc.query_weight. Ties go to the smaller id.
 *
 * Codes may be a view of a mapped file: functions that would change them throw
 * then, and reset() only forgets the view.
 */
struct IndexSDC : faiss::IndexFlatCodes {
    SDCQuantizer sdc;

    /** Above 1, search() has two passes: the first estimates the products of
     * all documents from few planes, by tables; the second takes the
     * k * k_factor best of them and compares these by all planes, whose
     * distances the results have. The more planes there are, the more time
     * that saves. One pass stays where k * k_factor is ntotal or more, or the
     * first planes have more than 768 bytes. range_search() always compares by
     * all planes.
     */
    float k_factor = 1;

    /// planes of the first pass
    int first_nbits = 1;

    /// of the centroids of a coarse first stage, see SDCQuantizer
    faiss::ClusteringParameters cp;

    /// train() takes the query's map from here and then forgets it; not owned
    const BinarizerTransform* binarizer = nullptr;

    /// whether it takes plane widths, ncentroids and scale_bytes from there too
    bool follows_binarizer = false;

    /** @param m       dimensions, a multiple of 8
     *  @param nbits   bits per dimension, 1 to 8
     *  @param metric  METRIC_L2 or METRIC_INNER_PRODUCT
     */
    IndexSDC(int m, int nbits, faiss::MetricType metric = faiss::METRIC_L2);

    /** @param plane_widths, d  see PlaneLayout
     *  @param ncentroids       of a coarse first stage, which has to be
     *                          trained; 0: there is none
     */
    explicit IndexSDC(
            const std::vector<int>& plane_widths,
            faiss::MetricType metric = faiss::METRIC_L2,
            int d = 0,
            size_t ncentroids = 0);

    /** The first nbits planes of a binarizer's code, with its query map and the
     * ScaleType for these. An untrained binarizer makes an untrained
     * index, which takes the map when it is trained and needs the binarizer
     * until then.
     * @param nbits  0: what the binarizer is trained for, its
     *               document_plane_widths and ncentroids; those that an
     *               untrained one has after its training
     */
    IndexSDC(
            const BinarizerTransform& binarizer,
            int nbits,
            faiss::MetricType metric = faiss::METRIC_L2);

    /** Codes of other plane widths for a binarizer's output. Unless they are
     * its first planes and there are no centroids, the index has to be trained.
     * @param plane_widths  each at most as wide as that plane of the binarizer
     */
    IndexSDC(
            const BinarizerTransform& binarizer,
            const std::vector<int>& plane_widths,
            faiss::MetricType metric = faiss::METRIC_L2,
            size_t ncentroids = 0);

    /** Says what the vectors are the output of: train() takes the query's map
     * and the weights of errors from there. For an untrained, empty index whose
     * planes are among those of the binarizer; it is needed until the index is
     * trained.
     */
    void link_binarizer(const BinarizerTransform& binarizer);

    /** Only while the index is empty, as scales of documents depend on it.
     * @param weight  not negative, size d
     * @param offset  size d
     */
    void set_query_map(
            const std::vector<float>& weight,
            const std::vector<float>& offset);

    /** Only while the index is empty, and without a binarizer, whose weights it
     * takes. What training has learned stays, though it was for other codes.
     * @param weight  see SDCQuantizer::error_weight, size d * d; or empty
     */
    void set_error_weight(const std::vector<float>& weight);

    /// only while the index is empty; Scale_cosine is not for centroids. Scales
    /// of one byte have to be trained anew
    void set_scale_type(ScaleType type);

    /** Only while the index is empty.
     * @param nbytes  2: a float16; 1: the number of a value, for which train()
     *                learns the values and the range. Back from 1 to 2, an
     *                index that has not been trained is as it was made
     */
    void set_scale_bytes(size_t nbytes);

    /** Takes the query's map from the binarizer. An index without one and
     * without centroids is born trained, for the output of a binarizer; with
     * is_trained set to false it learns the range of other vectors here.
     * Centroids, and the range of codes that are not the first planes of the
     * binarizer's, are learned of x; centroids that sdc has already are kept.
     * Only while the index is empty; nothing changes when it throws.
     */
    void train(idx_t n, const float* x) override;

    /// nothing changes when it throws, for a value that is not finite or too
    /// large for the scale
    void add(idx_t n, const float* x) override;

    /// ids are sequential and xids is not used, as in IndexFlatCodes
    void add_sa_codes(idx_t n, const uint8_t* codes, const idx_t* xids)
            override;

    void reset() override;

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

    /// by all planes, as range_search(), whatever k_factor is
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

   private:
    explicit IndexSDC(const SDCQuantizer& sdc);
};

} // namespace faiss_bebr
