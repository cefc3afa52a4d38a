#include "indexes/level_clustering.h"

#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>

namespace faiss_bebr {

using faiss::idx_t;

namespace {

/// How faiss::Clustering sees packed codes: as their levels, unpacked piece by
/// piece.
struct LevelCodec : faiss::Index {
    const PlaneLayout& layout;

    explicit LevelCodec(const PlaneLayout& layout_in)
            : Index(layout_in.dim()), layout(layout_in) {}

    size_t sa_code_size() const override {
        return layout.code_size();
    }

    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override {
        const int m = layout.dim();
#pragma omp parallel if (n > 1000)
        {
            std::vector<uint8_t> levels(m);
#pragma omp for
            for (idx_t i = 0; i < n; i++) {
                layout.unpack(bytes + i * layout.code_size(), levels.data());
                std::copy(levels.begin(), levels.end(), x + i * m);
            }
        }
    }

    void add(idx_t, const float*) override {
        FAISS_THROW_MSG("only a codec");
    }
    void reset() override {
        FAISS_THROW_MSG("only a codec");
    }
    void search(
            idx_t,
            const float*,
            idx_t,
            float*,
            idx_t*,
            const faiss::SearchParameters*) const override {
        FAISS_THROW_MSG("only a codec");
    }
};

} // namespace

std::vector<uint8_t> cluster_levels(
        const PlaneLayout& layout,
        size_t n,
        const uint8_t* x,
        size_t k,
        const faiss::ClusteringParameters& cp,
        faiss::Index* clustering_index) {
    const int m = layout.dim();
    faiss::Clustering clustering(m, static_cast<int>(k), cp);
    faiss::IndexFlat flat(m);
    const LevelCodec codec(layout);
    clustering.train_encoded(
            n, x, &codec, clustering_index ? *clustering_index : flat);

    const float max_level = static_cast<float>((1 << layout.nplanes()) - 1);
    std::vector<uint8_t> codes(k * layout.code_size());
    std::vector<uint8_t> levels(m);
    for (size_t i = 0; i < k; i++) {
        const float* centroid = clustering.centroids.data() + i * m;
        for (int j = 0; j < m; j++) {
            const float level = std::floor(centroid[j] + 0.5f);
            levels[j] = static_cast<uint8_t>(
                    std::min(std::max(level, 0.0f), max_level));
        }
        layout.pack(levels.data(), codes.data() + i * layout.code_size());
    }
    return codes;
}

} // namespace faiss_bebr
