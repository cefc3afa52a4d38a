// SDCQuantizer: its coarse first stage.

#include "codes/SDCQuantizer.h"

#include "codes/check_arguments.h"

#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/utils/random.h>

#include <algorithm>

namespace faiss_bebr {

namespace {

/// vectors that the range is learned of, when there are more
constexpr size_t kMaxSample = 65536;

/// How often centroids are moved. More rounds go on to gain recall among the
/// training vectors, and lose it among others.
constexpr int kRefinements = 2;

/// Vectors, or a random part of them where there are more than max_n.
struct Sample {
    size_t n;
    const float* x;

    Sample(size_t n_in, int d, const float* x_in, size_t max_n, int seed)
            : n(std::min(n_in, max_n)), x(x_in) {
        if (n_in <= max_n) {
            return;
        }
        faiss::RandomGenerator random(seed);
        rows.reserve(n * d);
        for (size_t i = 0; i < n; i++) {
            const float* row = x_in + random.rand_int64() % int64_t(n_in) * d;
            rows.insert(rows.end(), row, row + d);
        }
        x = rows.data();
    }

   private:
    std::vector<float> rows;
};

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
        size_t k,
        faiss::idx_t* numbers) const {
    // a view, as a copy takes longer than the search for a few vectors
    faiss::IndexFlat index(dim());
    index.codes = faiss::MaybeOwnedVector<uint8_t>::create_view(
            const_cast<float*>(centroids.data()),
            centroids.size() * sizeof(float),
            nullptr);
    index.ntotal = faiss::idx_t(ncentroids);
    std::vector<float> distances(n * k);
    index.search(n, x, k, distances.data(), numbers);
    for (size_t i = 0; i < n; i++) {
        // no distance is found where it overflows
        FAISS_THROW_IF_NOT_FMT(
                numbers[i * k] >= 0, "x[%zd] is too far from all centroids", i);
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
    const Sample sample(n, dim(), x, kMaxSample, cp.seed);
    if (ncentroids > 0 && centroids.empty()) {
        FAISS_THROW_IF_NOT_FMT(
                n > ncentroids,
                "%zd training vectors are too few for %zd centroids",
                n,
                ncentroids);
        check_distances(n, dim(), x);
        faiss::Clustering clustering(dim(), int(ncentroids), cp);
        faiss::IndexFlat assigner(dim());
        clustering.train(n, x, assigner);
        trained.centroids = clustering.centroids;
        const size_t max_points =
                std::max(kMaxSample, ncentroids * cp.max_points_per_centroid);
        const Sample points(n, dim(), x, max_points, cp.seed);
        for (int i = 0; i < kRefinements; i++) {
            trained.train_residuals(sample.n, sample.x);
            trained.refine_centroids(points.n, points.x);
        }
    }
    trained.train_residuals(sample.n, sample.x);
    *this = trained;
}

/// the range, and the values of one-byte scales, of vectors less the nearest
/// centroids
void SDCQuantizer::train_residuals(size_t n, const float* x) {
    if (ncentroids == 0) {
        train_range(n, x, x);
        return;
    }
    std::vector<faiss::idx_t> numbers(n);
    find_centroids(n, x, 1, numbers.data());
    std::vector<float> residuals(x, x + n * dim());
    for (size_t i = 0; i < n; i++) {
        const float* centroid = centroids.data() + numbers[i] * dim();
        for (int j = 0; j < dim(); j++) {
            residuals[i * dim() + j] -= centroid[j];
        }
    }
    train_range(n, residuals.data(), x);
}

/// moves each centroid by least squares, with the codes of the vectors held
void SDCQuantizer::refine_centroids(size_t n, const float* x) {
    constexpr size_t max_part = 8192;
    std::vector<uint8_t> codes(std::min(n, max_part) * code_size());
    std::vector<float> decoded(std::min(n, max_part) * dim());
    std::vector<double> errors(ncentroids * dim());
    std::vector<double> weights(ncentroids);
    for (size_t i0 = 0; i0 < n; i0 += max_part) {
        const size_t part = std::min(max_part, n - i0);
        const float* rows = x + i0 * dim();
        compute_codes(rows, codes.data(), part);
        decode(codes.data(), decoded.data(), part);
        for (size_t i = 0; i < part; i++) {
            const uint8_t* code = codes.data() + i * code_size();
            const size_t number = get_centroid_no(code);
            const double scale = get_centroid_scale(code);
            weights[number] += scale * scale;
            for (int j = 0; j < dim(); j++) {
                const size_t k = i * dim() + j;
                errors[number * dim() + j] += scale * (rows[k] - decoded[k]);
            }
        }
    }
    for (size_t c = 0; c < ncentroids; c++) {
        for (int j = 0; weights[c] > 0 && j < dim(); j++) {
            const size_t k = c * dim() + j;
            centroids[k] += static_cast<float>(errors[k] / weights[c]);
        }
    }
}

} // namespace faiss_bebr
