// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>

#include <vector>

namespace faiss {

enum class ClusteringInitMethod : uint8_t {
    RANDOM = 0,
    KMEANS_PLUS_PLUS = 1,
    AFK_MC2 = 2,
};

/// Embedded in IndexIVF, and so the reason why a build belongs to one layout:
/// 1.15.1 has one field more than 1.15.0.
struct ClusteringParameters {
    int niter = 25;
    int nredo = 1;
    bool verbose = false;
    bool spherical = false;
    bool int_centroids = false;
    bool update_index = false;
    bool frozen_centroids = false;
    int min_points_per_centroid = 39;
    int max_points_per_centroid = 256;
    int seed = 1234;
    size_t decode_block_size = 32768;
    bool check_input_data_for_NaNs = true;
    bool use_faster_subsampling = false;
    ClusteringInitMethod init_method = ClusteringInitMethod::RANDOM;
    uint16_t afkmc2_chain_length = 50;
    double early_stop_threshold = 0.0;
#if FAISS_VERSION_PATCH >= 1
    bool use_super_kmeans = false;
#endif
};

struct ClusteringIterationStats {
    float obj;               ///< sum of distances
    double time;             ///< s
    double time_search;      ///< s
    double imbalance_factor; ///< as that of InvertedLists
    int nsplit;              ///< clusters that were empty
};

/// k-means.
struct Clustering : ClusteringParameters {
    size_t d;
    size_t k;
    /// (k, d); the first centroids if there are some before train
    std::vector<float> centroids;
    std::vector<ClusteringIterationStats> iteration_stats;

    Clustering(int d, int k);
    Clustering(int d, int k, const ClusteringParameters& cp);

    /// index finds the nearest centroid, and has all centroids in the end
    virtual void train(
            idx_t n,
            const float* x,
            Index& index,
            const float* x_weights = nullptr);
    /// codec decodes the vectors
    void train_encoded(
            idx_t nx,
            const uint8_t* x_in,
            const Index* codec,
            Index& index,
            const float* weights = nullptr);
    void post_process_centroids();
    virtual ~Clustering() {}
};

} // namespace faiss
