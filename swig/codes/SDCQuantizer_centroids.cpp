// SDCQuantizer: its coarse first stage.

#include "codes/SDCQuantizer.h"

#include "codes/check_arguments.h"

#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/utils/random.h>

namespace faiss_bebr {

namespace {

/// vectors that the range is learned of, when there are more
constexpr size_t kMaxSample = 65536;

} // namespace

void SDCQuantizer::check_centroids() const {
    FAISS_THROW_IF_NOT_FMT(
            centroids.size() == ncentroids * dim(),
            "the %zd centroids are not trained",
            ncentroids);
}

void SDCQuantizer::find_centroids(
        size_t n,
        const float* x,
        faiss::idx_t* numbers,
        float* residuals) const {
    // a view, as a copy takes longer than the search for a few vectors
    faiss::IndexFlat index(dim());
    index.codes = faiss::MaybeOwnedVector<uint8_t>::create_view(
            const_cast<float*>(centroids.data()),
            centroids.size() * sizeof(float),
            nullptr);
    index.ntotal = faiss::idx_t(ncentroids);
    std::vector<float> distances(n);
    index.search(n, x, 1, distances.data(), numbers);
    for (size_t i = 0; i < n; i++) {
        // no distance is found where it overflows
        FAISS_THROW_IF_NOT_FMT(
                numbers[i] >= 0, "x[%zd] is too far from all centroids", i);
        const float* centroid = centroids.data() + numbers[i] * dim();
        for (int j = 0; j < dim(); j++) {
            residuals[i * dim() + j] = x[i * dim() + j] - centroid[j];
        }
    }
}

void SDCQuantizer::train(
        size_t n,
        const float* x,
        const faiss::ClusteringParameters& cp) {
    check_finite(n, dim(), x);
    SDCQuantizer trained = *this;
    if (!centroids.empty()) {
        check_centroids();
    }
    if (ncentroids > 0 && centroids.empty()) {
        FAISS_THROW_IF_NOT_FMT(
                n > ncentroids,
                "%zd training vectors are too few for %zd centroids",
                n,
                ncentroids);
        faiss::Clustering clustering(dim(), int(ncentroids), cp);
        faiss::IndexFlat assigner(dim());
        clustering.train(n, x, assigner);
        trained.centroids = clustering.centroids;
    }
    std::vector<float> sample;
    if (n > kMaxSample) {
        faiss::RandomGenerator random(cp.seed);
        sample.reserve(kMaxSample * dim());
        for (size_t i = 0; i < kMaxSample; i++) {
            const float* row = x + random.rand_int64() % int64_t(n) * dim();
            sample.insert(sample.end(), row, row + dim());
        }
        n = kMaxSample;
        x = sample.data();
    }
    const float* y = x;
    std::vector<float> residuals;
    if (ncentroids > 0) {
        std::vector<faiss::idx_t> numbers(n);
        residuals.resize(n * dim());
        trained.find_centroids(n, x, numbers.data(), residuals.data());
        y = residuals.data();
    }
    trained.train_range(n, y, x);
    *this = trained;
}

} // namespace faiss_bebr
