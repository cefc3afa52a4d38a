#include "indexes/IndexMappedVectors.h"

#include "codes/check_arguments.h"

#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/index_factory.h>

#include <limits>

namespace faiss_bebr {

namespace {

/// FAISS's index of such vectors, without any
std::shared_ptr<faiss::IndexFlatCodes> make_empty_index(
        int d,
        faiss::NumericType numeric_type,
        faiss::MetricType metric) {
    FAISS_THROW_IF_NOT_FMT(d > 0, "d must be positive, got %d", d);
    FAISS_THROW_IF_NOT_MSG(
            metric == faiss::METRIC_L2 || metric == faiss::METRIC_INNER_PRODUCT,
            "metric must be METRIC_L2 or METRIC_INNER_PRODUCT");
    FAISS_THROW_IF_NOT_MSG(
            numeric_type == faiss::Float32 || numeric_type == faiss::Float16,
            "numbers must be of type Float32 or Float16");
    const char* description =
            numeric_type == faiss::Float32 ? "Flat" : "SQfp16";
    const std::shared_ptr<faiss::Index> index(
            faiss::index_factory(d, description, metric));
    return std::dynamic_pointer_cast<faiss::IndexFlatCodes>(index);
}

[[noreturn]] void refuse_change() {
    FAISS_THROW_MSG("the vectors are mapped from a file and cannot be changed");
}

/// FAISS's distances of the vectors in the file
struct MappedDistanceComputer : faiss::DistanceComputer {
    const std::unique_ptr<faiss::DistanceComputer> inner;
    const idx_t ntotal;
    const float worst;

    explicit MappedDistanceComputer(const faiss::IndexFlatCodes& vectors)
            : inner(vectors.get_distance_computer()),
              ntotal(vectors.ntotal),
              worst(vectors.metric_type == faiss::METRIC_L2
                            ? std::numeric_limits<float>::max()
                            : std::numeric_limits<float>::lowest()) {}

    bool has(idx_t i) const {
        return i >= 0 && i < ntotal;
    }
    void set_query(const float* x) override {
        inner->set_query(x);
    }
    float operator()(idx_t i) override {
        return has(i) ? (*inner)(i) : worst;
    }
    float symmetric_dis(idx_t i, idx_t j) override {
        return has(i) && has(j) ? inner->symmetric_dis(i, j) : worst;
    }
};

} // namespace

IndexMappedVectors::IndexMappedVectors(
        const char* path,
        size_t offset,
        idx_t n,
        int d_in,
        faiss::NumericType numeric_type,
        faiss::MetricType metric)
        : Index(d_in, metric),
          vectors(make_empty_index(d_in, numeric_type, metric)) {
    const size_t number_size = vectors->code_size / d;
    const auto file = std::make_shared<MappedFile>(path);
    FAISS_THROW_IF_NOT_FMT(
            offset % number_size == 0,
            "offset %zd is no multiple of %zd",
            offset,
            number_size);
    // without n * code_size, which may overflow
    const size_t room = offset <= file->size
            ? (file->size - offset) / vectors->code_size
            : 0;
    FAISS_THROW_IF_NOT_FMT(
            n >= 0 && room == size_t(n) &&
                    offset + room * vectors->code_size == file->size,
            "%s has %zd bytes, not %zd and %zd vectors of %zd bytes",
            path,
            file->size,
            offset,
            size_t(n),
            vectors->code_size);
    file->expect_random_access();
    vectors->codes = view_of(file, offset, n * vectors->code_size);
    vectors->ntotal = n;
    ntotal = n;
}

void IndexMappedVectors::add(idx_t, const float*) {
    refuse_change();
}

void IndexMappedVectors::reset() {
    refuse_change();
}

size_t IndexMappedVectors::remove_ids(const faiss::IDSelector&) {
    refuse_change();
}

void IndexMappedVectors::search(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const faiss::SearchParameters* params) const {
    vectors->search(n, x, k, distances, labels, params);
}

void IndexMappedVectors::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params) const {
    vectors->range_search(n, x, radius, result, params);
}

void IndexMappedVectors::search1(
        const float* x,
        faiss::ResultHandler& handler,
        faiss::SearchParameters* params) const {
    vectors->search1(x, handler, params);
}

void IndexMappedVectors::reconstruct(idx_t key, float* recons) const {
    reconstruct_n(key, 1, recons);
}

void IndexMappedVectors::reconstruct_n(idx_t i0, idx_t ni, float* recons)
        const {
    check_id_range(i0, ni, ntotal);
    vectors->reconstruct_n(i0, ni, recons);
}

faiss::DistanceComputer* IndexMappedVectors::get_distance_computer() const {
    return new MappedDistanceComputer(*vectors);
}

size_t IndexMappedVectors::sa_code_size() const {
    return vectors->sa_code_size();
}

void IndexMappedVectors::sa_encode(idx_t n, const float* x, uint8_t* bytes)
        const {
    vectors->sa_encode(n, x, bytes);
}

void IndexMappedVectors::sa_decode(idx_t n, const uint8_t* bytes, float* x)
        const {
    vectors->sa_decode(n, bytes, x);
}

} // namespace faiss_bebr
