#pragma once

#include "codes/SDCQuantizer.h"

#include <faiss/IndexIVF.h>

#include <vector>

namespace faiss_bebr {

struct BinarizerTransform;

using faiss::idx_t;

/** An inverted file over the codes of IndexSDC.
 *
 * Without by_residual (the default) a code is of the vector itself, and stands
 * for the decoded vector v. With it, the code is of the vector less the
 * centroid c of its list, and stands for c + v. In the latter case train()
 * learns the range of the residuals, and the scale of a code is that of the
 * residual.
 *
 * The distances are those of IndexFlatIP or IndexFlatL2 between what documents
 * stand for and the level-quantized query q, up to the rounding of float sums;
 * for METRIC_L2 with both multiplied by the square roots of sdc.query_weight.
 * What q is, for a query x:
 *  - as in IndexSDC, whatever the lists are; so without by_residual the
 *    distances have the bits of IndexSDC's. For METRIC_INNER_PRODUCT with
 *    by_residual they are <q, c> + <q, v>, with the same q in both terms.
 *  - for METRIC_L2 with by_residual, one q for each list, c plus what IndexSDC
 *    makes of x - c; so the distances are those of (q - c) and v.
 *
 * The quantizer is searched with x as it is, and its distances are not used.
 */
struct IndexIVFSDC : faiss::IndexIVF {
    SDCQuantizer sdc;

    /// train() takes the query's map from here and then forgets it; not owned
    const BinarizerTransform* binarizer = nullptr;

    /// whether it takes plane widths and scale_bytes from there too
    bool follows_binarizer = false;

    /// whether train() learns sdc.range without by_residual and with scales of
    /// two bytes too: for vectors that are not the output of a binarizer
    bool learn_range = false;

    /** @param quantizer    finds the lists of vectors; not owned
     *  @param d            dimensions, a multiple of 8
     *  @param nbits        bits per dimension, 1 to 8
     *  @param metric       METRIC_L2 or METRIC_INNER_PRODUCT
     *  @param own_invlists whether to make inverted lists; false where others
     *                      are set later by replace_invlists()
     */
    IndexIVFSDC(
            faiss::Index* quantizer,
            size_t d,
            size_t nlist,
            int nbits,
            faiss::MetricType metric = faiss::METRIC_L2,
            bool own_invlists = true);

    /// planes of given widths, d being 0 or more dimensions than the first one
    /// has; see PlaneLayout
    IndexIVFSDC(
            faiss::Index* quantizer,
            const std::vector<int>& plane_widths,
            size_t nlist,
            faiss::MetricType metric = faiss::METRIC_L2,
            bool own_invlists = true,
            int d = 0);

    /** The first nbits planes of a binarizer's code, with its query map and the
     * ScaleType for these. If the binarizer is not trained yet, train() takes
     * the map, and needs the binarizer until then.
     * @param nbits  0: what the binarizer is trained for, its
     *               document_plane_widths; those that an untrained one has
     *               after its training
     */
    IndexIVFSDC(
            faiss::Index* quantizer,
            const BinarizerTransform& binarizer,
            int nbits,
            size_t nlist,
            faiss::MetricType metric = faiss::METRIC_L2,
            bool own_invlists = true);

    /// codes of other plane widths for a binarizer's output, each at most as
    /// wide as that plane of the binarizer
    IndexIVFSDC(
            faiss::Index* quantizer,
            const BinarizerTransform& binarizer,
            const std::vector<int>& plane_widths,
            size_t nlist,
            faiss::MetricType metric = faiss::METRIC_L2,
            bool own_invlists = true);

    /** Says what the vectors are the output of: train() takes the query's map
     * from there. For an untrained, empty index whose planes are among those
     * of the binarizer; it is needed until the index is trained.
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

    /// only while the index is empty; Scale_cosine is not for residuals. Scales
    /// of one byte have to be trained anew
    void set_scale_type(ScaleType type);

    /** Only while the index is empty.
     * @param nbytes  2: a float16; 1: the number of a value, for which train()
     *                learns the values and the range. Back from 1 to 2, an
     *                index that has not been trained is as it was made
     */
    void set_scale_bytes(size_t nbytes);

    /// with by_residual, Scale_cosine becomes Scale_unbiased here, as residuals
    /// differ in length
    void train(idx_t n, const float* x) override;

    void train_encoder(idx_t n, const float* x, const idx_t* assign) override;

    idx_t train_encoder_num_vectors() const override;

    void add_with_ids(idx_t n, const float* x, const idx_t* xids) override;

    /// nothing changes when it throws; list numbers of -1 are left out
    void add_core(
            idx_t n,
            const float* x,
            const idx_t* xids,
            const idx_t* precomputed_idx,
            void* inverted_list_context = nullptr) override;

    void add_sa_codes(idx_t n, const uint8_t* codes, const idx_t* xids)
            override;

    void encode_vectors(
            idx_t n,
            const float* x,
            const idx_t* list_nos,
            uint8_t* codes,
            bool include_listno = false) const override;

    void decode_vectors(
            idx_t n,
            const uint8_t* codes,
            const idx_t* list_nos,
            float* x) const override;

    /// codes with list numbers
    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;

    /// params of the class SearchParameters itself, as FAISS's containers hand
    /// over, count as those of the index with their selector
    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;

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

    void search_and_reconstruct(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            float* recons,
            const faiss::SearchParameters* params = nullptr) const override;

    void search_preassigned(
            idx_t n,
            const float* x,
            idx_t k,
            const idx_t* assign,
            const float* centroid_dis,
            float* distances,
            idx_t* labels,
            bool store_pairs,
            const faiss::IVFSearchParameters* params = nullptr,
            faiss::IndexIVFStats* stats = nullptr) const override;

    void range_search_preassigned(
            idx_t nx,
            const float* x,
            float radius,
            const idx_t* keys,
            const float* coarse_dis,
            faiss::RangeSearchResult* result,
            bool store_pairs = false,
            const faiss::IVFSearchParameters* params = nullptr,
            faiss::IndexIVFStats* stats = nullptr) const override;

    faiss::InvertedListScanner* get_InvertedListScanner(
            bool store_pairs = false,
            const faiss::IDSelector* sel = nullptr,
            const faiss::IVFSearchParameters* params = nullptr) const override;

    void reconstruct_from_offset(int64_t list_no, int64_t offset, float* recons)
            const override;

    /// throws if one of the ids is not in the index
    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;

    void reset() override;

    size_t remove_ids(const faiss::IDSelector& sel) override;

    /// nothing changes if an id is missing or a vector cannot be encoded
    void update_vectors(int nv, const idx_t* idx, const float* v) override;

    void check_compatible_for_merge(
            const faiss::Index& otherIndex) const override;

    void merge_from(faiss::Index& otherIndex, idx_t add_id) override;

    void copy_subset_to(
            faiss::IndexIVF& other,
            faiss::InvertedLists::subset_type_t subset_type,
            idx_t a1,
            idx_t a2) const override;

    /** What search() compares with documents.
     * @param x         queries, size n * d
     * @param q         output, size n * d
     * @param list_nos  the list that q is for, size n; only METRIC_L2 with
     *                  by_residual needs it
     */
    void quantize_queries(
            idx_t n,
            const float* x,
            float* q,
            const idx_t* list_nos = nullptr) const;

   private:
    IndexIVFSDC(
            faiss::Index* quantizer,
            const SDCQuantizer& sdc,
            size_t nlist,
            bool own_invlists);

    void take_binarizer(const BinarizerTransform& binarizer);
    void follow_binarizer();
    void take_code_size();
    bool learns_range() const;
    void check_ready() const;
    void check_list_nos(idx_t n, const idx_t* list_nos, idx_t lowest) const;
    void check_codec(const faiss::Index& otherIndex) const;
    void check_search(idx_t n, const float* x) const;
    void split_list_nos(
            idx_t n,
            const uint8_t* bytes,
            idx_t* list_nos,
            uint8_t* codes) const;
};

} // namespace faiss_bebr
