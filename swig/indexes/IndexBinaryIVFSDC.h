#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/Clustering.h>
#include <faiss/IndexBinary.h>
#include <faiss/IndexIVF.h>
#include <faiss/invlists/DirectMap.h>
#include <faiss/invlists/InvertedLists.h>

namespace faiss_bebr {

using faiss::idx_t;

/** An inverted file over packed multi-bit codes, with the distances of
 * IndexBinarySDC: the multi-bit sibling of faiss::IndexBinaryIVF, with its
 * fields and methods. It is not derived from that class, as FAISS would write
 * and clone it as one, with Hamming distances.
 *
 * The results do not depend on the order of the lists and on threads: ties go
 * to the smaller id, and range searches give ids in ascending order.
 */
struct IndexBinaryIVFSDC : faiss::IndexBinary {
    /// bits per code dimension
    int nbits = 0;
    PlaneLayout layout;

    faiss::InvertedLists* invlists = nullptr;
    bool own_invlists = true;

    size_t nprobe = 1; ///< lists that a search scans
    /// a query's search ends after so many codes of its lists, whether a
    /// selector has them or not; 0: no limit
    size_t max_codes = 0;

    /// for reconstruct()
    faiss::DirectMap direct_map;

    /// finds the lists of codes
    faiss::IndexBinary* quantizer = nullptr;
    size_t nlist = 0;
    bool own_fields = false; ///< whether to delete the quantizer

    /// for the k-means of train(), which knows no spherical centroids
    faiss::ClusteringParameters cp;
    /// used by k-means in place of an IndexFlatL2; of d / nbits dimensions
    faiss::Index* clustering_index = nullptr;

    /** @param quantizer    an IndexBinarySDC, or any other index of d bits; not
     *                      owned. With nlist codes in it no training is needed.
     *  @param d            bits per code, m * nbits with m a multiple of 8
     *  @param nbits        1 to 8
     *  @param metric       METRIC_L2 or METRIC_INNER_PRODUCT
     *  @param own_invlists whether to make inverted lists; false where others
     *                      are set later by replace_invlists()
     */
    IndexBinaryIVFSDC(
            faiss::IndexBinary* quantizer,
            size_t d,
            size_t nlist,
            int nbits = 1,
            faiss::MetricType metric = faiss::METRIC_L2,
            bool own_invlists = true);

    ~IndexBinaryIVFSDC() override;
    IndexBinaryIVFSDC(const IndexBinaryIVFSDC&) = delete;
    IndexBinaryIVFSDC& operator=(const IndexBinaryIVFSDC&) = delete;

    /** Unless the quantizer has nlist codes already, fill it with centroids:
     * those of k-means over the levels of the codes, rounded to levels.
     */
    void train(idx_t n, const uint8_t* x) override;

    void add(idx_t n, const uint8_t* x) override;

    void add_with_ids(idx_t n, const uint8_t* x, const idx_t* xids) override;

    /** Adds codes, all or none of them.
     * @param precomputed_idx  list numbers, -1 for codes to leave out;
     *                         nullptr: those that the quantizer finds
     */
    void add_core(
            idx_t n,
            const uint8_t* x,
            const idx_t* xids,
            const idx_t* precomputed_idx);

    void reset() override;

    /// params of the class SearchParameters itself, as FAISS's containers hand
    /// over, count as those of the index with their selector
    void search(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;

    /** Search in given lists.
     * @param assign        list numbers, n * nprobe; -1: none
     * @param centroid_dis  not used, as distances do not depend on centroids
     * @param store_pairs   labels are those of faiss::lo_build
     */
    void search_preassigned(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            const idx_t* assign,
            const int32_t* centroid_dis,
            int32_t* distances,
            idx_t* labels,
            bool store_pairs,
            const faiss::IVFSearchParameters* params = nullptr) const;

    /// strict comparison: < radius, or > radius for the inner product
    void range_search(
            idx_t n,
            const uint8_t* x,
            int radius,
            faiss::RangeSearchResult* result,
            const faiss::SearchParameters* params = nullptr) const override;

    void range_search_preassigned(
            idx_t n,
            const uint8_t* x,
            int radius,
            const idx_t* assign,
            const int32_t* centroid_dis,
            faiss::RangeSearchResult* result,
            const faiss::IVFSearchParameters* params = nullptr) const;

    /// needs no direct map
    void search_and_reconstruct(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            uint8_t* recons,
            const faiss::SearchParameters* params = nullptr) const override;

    /// needs a direct map
    void reconstruct(idx_t key, uint8_t* recons) const override;

    /// throws if one of the ids is not in the index
    void reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons) const override;

    void reconstruct_from_offset(idx_t list_no, idx_t offset, uint8_t* recons)
            const;

    /// the other ids stay as they are; not with an Array as direct map
    size_t remove_ids(const faiss::IDSelector& sel) override;

    /// also compares the centroids, see
    /// faiss::check_compatible_for_merge_expensive_check
    void check_compatible_for_merge(
            const faiss::IndexBinary& otherIndex) const override;

    /// @param add_id  added to the ids of the other index
    void merge_from(faiss::IndexBinary& otherIndex, idx_t add_id) override;

    size_t get_list_size(size_t list_no) const;

    void make_direct_map(bool new_maintain_direct_map = true);

    void set_direct_map_type(faiss::DirectMap::Type type);

    /// deletes the old lists if they are owned; ntotal stays
    void replace_invlists(faiss::InvertedLists* il, bool own = false);

   private:
    void check_ready() const;
    void check_list_nos(idx_t n, const idx_t* list_nos) const;
};

} // namespace faiss_bebr
