// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/impl/maybe_owned_vector.h>
#include <faiss/utils/random.h>

#include <optional>
#include <vector>

namespace faiss {

struct SearchParametersHNSW : SearchParameters {
    int efSearch = 16;
    bool check_relative_distance = true;
    bool bounded_queue = true;

    ~SearchParametersHNSW() {}
};

/// The links of a hierarchical graph, without the vectors.
struct HNSW {
    using storage_idx_t = int32_t;

    std::vector<double> assign_probas;
    std::vector<int> cum_nneighbor_per_level;
    /// of each vector, counted from 1
    std::vector<int> levels;
    /// neighbors of vector i: offsets[i] .. offsets[i + 1], all levels
    std::vector<size_t> offsets;
    MaybeOwnedVector<storage_idx_t> neighbors;
    storage_idx_t entry_point = -1;
    RandomGenerator rng;
    int max_level = -1;
    int efConstruction = 40;
    int efSearch = 16;
    float prune_headroom = 0.2f;
    bool check_relative_distance = true;
    bool search_bounded_queue = true;
#if FAISS_VERSION_PATCH >= 1
    enum SearchMethod : uint8_t {
        SM_DEFAULT = 0,
        SM_PANORAMA = 1,
        SM_RABITQ = 2,
    };
    SearchMethod search_method = SM_DEFAULT;
#else
    bool is_panorama = false;
#endif
    /// larger is better; not in files
    bool is_similarity = false;
    std::optional<bool> use_visited_hashset;

    explicit HNSW(int M = 32);

    void set_default_probas(int M, float levelMult);
    void set_nb_neighbors(int level_no, int n);
    int nb_neighbors(int layer_no) const;
    int cum_nb_neighbors(int layer_no) const;
    void neighbor_range(idx_t no, int layer_no, size_t* begin, size_t* end)
            const;
    int random_level();
    void reset();
    void clear_neighbor_tables(int level);
    void print_neighbor_stats(int level) const;
    int prepare_level_tab(size_t n, bool preset_levels = false);
    void permute_entries(const idx_t* map);
};

/// What all searches of graphs have done.
struct HNSWStats {
    size_t n1 = 0; ///< searches
    size_t n2 = 0; ///< those that ran out of candidates
    size_t ndis = 0;
    size_t nhops = 0;

    void reset() {
        *this = HNSWStats();
    }
    void combine(const HNSWStats& other) {
        n1 += other.n1;
        n2 += other.n2;
        ndis += other.ndis;
        nhops += other.nhops;
    }
};

extern HNSWStats hnsw_stats;

} // namespace faiss
