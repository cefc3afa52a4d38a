// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/impl/HNSW.h>
#include <faiss/impl/hnsw/LockVector.h>

#include <optional>

namespace faiss {

/// A graph over the vectors of another index.
struct IndexHNSW : Index {
    using storage_idx_t = HNSW::storage_idx_t;

    HNSW hnsw;
    bool own_fields = false;
    Index* storage = nullptr;
    bool init_level0 = true;
    bool keep_max_size_level0 = false;
    std::optional<bool> use_visited_hashset;
#if FAISS_VERSION_PATCH < 1
    LockVector locks;
    bool retain_locks = false;
#endif

    explicit IndexHNSW(int d = 0, int M = 32, MetricType metric = METRIC_L2);
    explicit IndexHNSW(Index* storage, int M = 32);
    ~IndexHNSW() override;

    void add(idx_t n, const float* x) override;
    void train(idx_t n, const float* x) override;
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
    void reconstruct(idx_t key, float* recons) const override;
    void reset() override;
    void shrink_level_0_neighbors(int size);
    void search_level_0(
            idx_t n,
            const float* x,
            idx_t k,
            const storage_idx_t* nearest,
            const float* nearest_d,
            float* distances,
            idx_t* labels,
            int nprobe = 1,
            int search_type = 1,
            const SearchParameters* params = nullptr) const;
    void init_level_0_from_knngraph(int k, const float* D, const idx_t* I);
    void init_level_0_from_entry_points(
            int npt,
            const storage_idx_t* points,
            const storage_idx_t* nearests);
    void reorder_links();
    void link_singletons();
    virtual void permute_entries(const idx_t* perm);
    DistanceComputer* get_distance_computer() const override;
};

} // namespace faiss
