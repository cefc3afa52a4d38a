#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/IndexBinary.h>
#include <faiss/impl/maybe_owned_vector.h>

namespace faiss_bebr {

using faiss::idx_t;

/** Exhaustive search over packed multi-bit codes by symmetric distance
 * calculation (Binary Embedding-based Retrieval), the multi-bit sibling of
 * faiss::IndexBinaryFlat.
 *
 * A vector is a code of d = m * nbits bits, nbits planes of m bits in the
 * order of PlaneLayout. Distances are integers between the levels c (METRIC_L2,
 * smaller is closer) or the values V = 2c - (2^nbits - 1) of codes
 * (METRIC_INNER_PRODUCT, larger is closer):
 *
 *     METRIC_L2             sum_i (c_q[i] - c_d[i])^2
 *     METRIC_INNER_PRODUCT  sum_i V_q[i] * V_d[i]
 *
 * For nbits = 1 the former is the Hamming distance. Ties go to the smaller id.
 */
struct IndexBinarySDC : faiss::IndexBinary {
    /// bits per code dimension
    int nbits = 0;
    PlaneLayout layout;

    /// the codes, size ntotal * code_size bytes; if they are a view of a mapped
    /// file, functions that would change them throw, and reset() only forgets
    /// the view
    faiss::MaybeOwnedVector<uint8_t> codes;

    /** @param d       bits per code, m * nbits with m a multiple of 8
     *  @param nbits   1 to 8
     *  @param metric  METRIC_L2 or METRIC_INNER_PRODUCT
     */
    explicit IndexBinarySDC(
            idx_t d,
            int nbits = 1,
            faiss::MetricType metric = faiss::METRIC_L2);

    void add(idx_t n, const uint8_t* x) override;

    void reset() override;

    void search(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;

    /// strict comparison, as in FAISS: < radius, or > radius for the inner
    /// product
    void range_search(
            idx_t n,
            const uint8_t* x,
            int radius,
            faiss::RangeSearchResult* result,
            const faiss::SearchParameters* params = nullptr) const override;

    void reconstruct(idx_t key, uint8_t* recons) const override;

    void reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons) const override;

    /// the ids of the vectors that stay move up, in order
    size_t remove_ids(const faiss::IDSelector& sel) override;

    void merge_from(faiss::IndexBinary& otherIndex, idx_t add_id = 0) override;

    void check_compatible_for_merge(
            const faiss::IndexBinary& otherIndex) const override;

    /// ids are sequential and xids is not used, as in IndexFlatCodes
    void add_sa_codes(idx_t n, const uint8_t* codes, const idx_t* xids)
            override;
};

} // namespace faiss_bebr
