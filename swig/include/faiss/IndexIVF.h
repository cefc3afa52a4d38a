// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Clustering.h>
#include <faiss/Index.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/invlists/DirectMap.h>
#include <faiss/invlists/InvertedLists.h>

namespace faiss {

struct CodePacker;
struct RangeQueryResult;

/// The coarse quantizer of an inverted file and how it is trained.
struct Level1Quantizer {
    Index* quantizer = nullptr;
    size_t nlist = 0;
    /// 0: k-means with the quantizer as its index, 1: the quantizer's own
    /// train, 2: k-means with a flat index
    char quantizer_trains_alone = 0;
    bool own_fields = false; ///< whether to delete the quantizer
    ClusteringParameters cp;
    /// used by k-means in place of the quantizer
    Index* clustering_index = nullptr;

    Level1Quantizer(Index* quantizer_in, size_t nlist_in);
    Level1Quantizer();
    ~Level1Quantizer();

    void train_q1(
            size_t n,
            const float* x,
            bool verbose,
            MetricType metric_type);
    /// bytes of a list number before a code
    size_t coarse_code_size() const;
    void encode_listno(idx_t list_no, uint8_t* code) const;
    idx_t decode_listno(const uint8_t* code) const;
};

struct SearchParametersIVF : SearchParameters {
    size_t nprobe = 1;
    /// codes to scan at most; 0: no limit
    size_t max_codes = 0;
    /// lists to scan at most, in FastScan indexes; 0: no limit
    size_t max_lists_num = 0;
    /// scan at least k codes, whatever max_codes is
    bool ensure_topk_full = false;
    /// a range search ends after so many lists without a result; 0: never
    size_t max_empty_result_buckets = 0;
    SearchParameters* quantizer_params = nullptr;
    /// handed to InvertedLists::get_iterator
    void* inverted_list_context = nullptr;

    virtual ~SearchParametersIVF() {}
};

using IVFSearchParameters = SearchParametersIVF;

/// Counts of one or more searches; indexIVF_stats sums up all.
struct IndexIVFStats {
    size_t nq;
    size_t nlist;
    size_t ndis;
    size_t nheap_updates;
    double quantization_time; ///< ms
    double search_time;       ///< ms

    IndexIVFStats() {
        reset();
    }
    void reset();
    void add(const IndexIVFStats& other);
};

extern IndexIVFStats indexIVF_stats;

/// Search in lists that are already chosen: nprobe list numbers for each query
/// with the distances of their centroids.
struct IndexIVFInterface : Level1Quantizer {
    size_t nprobe = 1;
    size_t max_codes = 0;

    explicit IndexIVFInterface(
            Index* quantizer_in = nullptr,
            size_t nlist_in = 0)
            : Level1Quantizer(quantizer_in, nlist_in) {}

    /// with store_pairs, labels are those of lo_build
    virtual void search_preassigned(
            idx_t n,
            const float* x,
            idx_t k,
            const idx_t* assign,
            const float* centroid_dis,
            float* distances,
            idx_t* labels,
            bool store_pairs,
            const IVFSearchParameters* params = nullptr,
            IndexIVFStats* stats = nullptr) const = 0;
    virtual void range_search_preassigned(
            idx_t nx,
            const float* x,
            float radius,
            const idx_t* keys,
            const float* coarse_dis,
            RangeSearchResult* result,
            bool store_pairs = false,
            const IVFSearchParameters* params = nullptr,
            IndexIVFStats* stats = nullptr) const = 0;
    virtual ~IndexIVFInterface() {}
};

/// Scans lists for one query.
struct InvertedListScanner {
    idx_t list_no = -1;
    bool keep_max = false; ///< larger is better
    bool store_pairs;
    const IDSelector* sel;
    size_t code_size = 0;

    explicit InvertedListScanner(
            bool store_pairs_in = false,
            const IDSelector* sel_in = nullptr)
            : store_pairs(store_pairs_in), sel(sel_in) {}

    virtual void set_query(const float* query_vector) = 0;
    virtual void set_list(idx_t list_no, float coarse_dis);
    virtual float distance_to_code(const uint8_t* code) const = 0;
    /// into a heap of the k best; returns the number of its updates
    size_t scan_codes(
            size_t n,
            const uint8_t* codes,
            const idx_t* ids,
            float* distances,
            idx_t* labels,
            size_t k) const;
    virtual size_t iterate_codes(
            InvertedListsIterator* iterator,
            float* distances,
            idx_t* labels,
            size_t k,
            size_t& list_size) const;
    virtual void scan_codes_range(
            size_t n,
            const uint8_t* codes,
            const idx_t* ids,
            float radius,
            RangeQueryResult& result) const;
    virtual void iterate_codes_range(
            InvertedListsIterator* iterator,
            float radius,
            RangeQueryResult& result,
            size_t& list_size) const;
    /// returns the number of changes of the handler's threshold
    virtual size_t scan_codes(
            size_t n,
            const uint8_t* codes,
            const idx_t* ids,
            ResultHandler& handler) const;
    virtual ~InvertedListScanner() {}
};

/// The base of inverted files over float vectors.
struct IndexIVF : Index, IndexIVFInterface {
    InvertedLists* invlists = nullptr;
    bool own_invlists = false;
    size_t code_size = 0;
    /// what threads share out: 0 queries, 1 the lists of each query, 2 both,
    /// 3 queries in smaller pieces
    int parallel_mode = 0;
    /// added to it: the heaps that come in have results already
    const int PARALLEL_MODE_NO_HEAP_INIT = 1024;
    DirectMap direct_map;
    /// codes are of the vectors less their centroids
    bool by_residual = true;

    IndexIVF(
            Index* quantizer_in,
            size_t d_in,
            size_t nlist_in,
            size_t code_size_in,
            MetricType metric = METRIC_L2,
            bool own_invlists_in = true);
    IndexIVF();
    ~IndexIVF() override;

    void reset() override;
    void train(idx_t n, const float* x) override;
    void add(idx_t n, const float* x) override;
    void add_with_ids(idx_t n, const float* x, const idx_t* xids) override;
    virtual void add_core(
            idx_t n,
            const float* x,
            const idx_t* xids,
            const idx_t* precomputed_idx,
            void* inverted_list_context = nullptr);
    /// list numbers of -1 are ignored
    virtual void encode_vectors(
            idx_t n,
            const float* x,
            const idx_t* list_nos,
            uint8_t* codes,
            bool include_listno = false) const = 0;
    virtual void decode_vectors(
            idx_t n,
            const uint8_t* codes,
            const idx_t* list_nos,
            float* x) const;
    void add_sa_codes(idx_t n, const uint8_t* codes, const idx_t* xids)
            override;
    /// x are residuals, and assign given, if by_residual
    virtual void train_encoder(idx_t n, const float* x, const idx_t* assign);
    virtual idx_t train_encoder_num_vectors() const;
    void search_preassigned(
            idx_t n,
            const float* x,
            idx_t k,
            const idx_t* assign,
            const float* centroid_dis,
            float* distances,
            idx_t* labels,
            bool store_pairs,
            const IVFSearchParameters* params = nullptr,
            IndexIVFStats* stats = nullptr) const override;
    void range_search_preassigned(
            idx_t nx,
            const float* x,
            float radius,
            const idx_t* keys,
            const float* coarse_dis,
            RangeSearchResult* result,
            bool store_pairs = false,
            const IVFSearchParameters* params = nullptr,
            IndexIVFStats* stats = nullptr) const override;
    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const override;
    void range_search(
            idx_t n,
            const float* x,
            float radius,
            RangeSearchResult* result,
            const SearchParameters* params = nullptr) const override;
    void search1(
            const float* x,
            ResultHandler& handler,
            SearchParameters* params = nullptr) const override;
    /// the caller deletes the scanner; sel, not params->sel, is in force
    virtual InvertedListScanner* get_InvertedListScanner(
            bool store_pairs = false,
            const IDSelector* sel = nullptr,
            const IVFSearchParameters* params = nullptr) const;
    /// needs a direct map
    void reconstruct(idx_t key, float* recons) const override;
    /// needs a direct map
    virtual void update_vectors(int nv, const idx_t* idx, const float* v);
    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;
    void search_and_reconstruct(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            float* recons,
            const SearchParameters* params = nullptr) const override;
    void search_and_return_codes(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            uint8_t* recons,
            bool include_listno = false,
            const SearchParameters* params = nullptr) const;
    virtual void reconstruct_from_offset(
            int64_t list_no,
            int64_t offset,
            float* recons) const;
    size_t remove_ids(const IDSelector& sel) override;
    void check_compatible_for_merge(const Index& otherIndex) const override;
    void merge_from(Index& otherIndex, idx_t add_id) override;
    virtual CodePacker* get_CodePacker() const;
    virtual void copy_subset_to(
            IndexIVF& other,
            InvertedLists::subset_type_t subset_type,
            idx_t a1,
            idx_t a2) const;
    size_t get_list_size(size_t list_no) const {
        return invlists->list_size(list_no);
    }
    bool check_ids_sorted() const;
    void make_direct_map(bool new_maintain_direct_map = true);
    void set_direct_map_type(DirectMap::Type type);
    /// deletes the old lists if they are owned
    void replace_invlists(InvertedLists* il, bool own = false);
    /// with the list number
    size_t sa_code_size() const override;
    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;
};

/// whether merging compares the centroids
extern bool check_compatible_for_merge_expensive_check;

} // namespace faiss
