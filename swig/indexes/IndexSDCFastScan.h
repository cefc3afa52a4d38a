#pragma once

#include "indexes/ColumnCodes.h"
#include "indexes/IndexSDC.h"

#include <faiss/Index.h>

#include <vector>

namespace faiss_bebr {

/** IndexSDC with codes of 64 documents side by side, which a single query reads
 * at the speed of memory where the processor has VBMI, and faster than those of
 * IndexSDC with AVX2 or NEON; elsewhere it is slower. What it is to IndexSDC,
 * IndexPQFastScan is to IndexPQ.
 *
 * It has the same codes, trained and made in the same way, and finds the same
 * labels and distances, to the last bit. Codes are not mapped from files.
 */
struct IndexSDCFastScan : faiss::Index {
    /// trains and encodes; it is empty
    IndexSDC codec;

    size_t code_size; ///< bytes of one code
    ColumnCodes codes;

    /// of a search in two passes, as IndexSDC has them
    float k_factor = 1;
    int first_nbits = 1;

    /// see IndexSDC
    IndexSDCFastScan(
            int m,
            int nbits,
            faiss::MetricType metric = faiss::METRIC_L2);

    explicit IndexSDCFastScan(
            const std::vector<int>& plane_widths,
            faiss::MetricType metric = faiss::METRIC_L2,
            int d = 0,
            size_t ncentroids = 0);

    IndexSDCFastScan(
            const BinarizerTransform& binarizer,
            int nbits,
            faiss::MetricType metric = faiss::METRIC_L2);

    IndexSDCFastScan(
            const BinarizerTransform& binarizer,
            const std::vector<int>& plane_widths,
            faiss::MetricType metric = faiss::METRIC_L2,
            size_t ncentroids = 0);

    /// with the codes of another index, and its binarizer until it is trained
    explicit IndexSDCFastScan(const IndexSDC& orig);

    /// these five as IndexSDC has them
    void link_binarizer(const BinarizerTransform& binarizer);

    void set_query_map(
            const std::vector<float>& weight,
            const std::vector<float>& offset);

    void set_error_weight(const std::vector<float>& weight);

    void set_scale_type(ScaleType type);

    void set_scale_bytes(size_t nbytes);

    /// only while the index is empty, unless it is trained
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

    void reconstruct(idx_t key, float* recons) const override;

    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;

    /// params may be SearchParametersSDC, or plain ones with a selector
    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;

    /// strict comparison: < radius, or > radius for the inner product; by all
    /// planes, as search1(), whatever k_factor is
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

    /// the distances of search(), as IndexSDC's
    faiss::DistanceComputer* get_distance_computer() const override;

    void check_compatible_for_merge(
            const faiss::Index& otherIndex) const override;

    void merge_from(faiss::Index& otherIndex, idx_t add_id = 0) override;

    size_t sa_code_size() const override;

    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;

    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;

    /// see IndexSDC
    void quantize_queries(idx_t n, const float* x, float* q) const;

   private:
    /// see DocumentColumns
    std::vector<float> min_norms;

    explicit IndexSDCFastScan(IndexSDC&& codec);

    /// takes what codec, which was trained or set, says of codes
    void follow_codec();

    void check_empty() const;
    void update_norms(size_t first_group);
};

} // namespace faiss_bebr
