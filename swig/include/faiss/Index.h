// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/MetricType.h>
#include <faiss/impl/FaissAssert.h>

#include <cstddef>
#include <cstdint>

// Set by the build: the version whose layout is compiled, see
// faiss_bebr/_versions.py.
#ifndef FAISS_VERSION_PATCH
#error "the build has to define FAISS_VERSION_MAJOR, _MINOR and _PATCH"
#endif

namespace faiss {

struct IDSelector;
struct RangeSearchResult;
struct DistanceComputer;
template <typename T, typename TI>
struct ResultHandlerUnordered;
using ResultHandler = ResultHandlerUnordered<float, idx_t>;

enum NumericType {
    Float32,
    Float16,
    UInt8,
    Int8,
};

struct SearchParameters {
    /// only these ids are searched; nullptr: all
    IDSelector* sel = nullptr;
    virtual ~SearchParameters() {}
};

/// The base of float indexes. The functions with the suffix _ex are inline in
/// FAISS, hence defined here; all others live in libfaiss.
struct Index {
    using component_t = float;
    using distance_t = float;

    int d;
    idx_t ntotal;
    bool verbose;
    bool is_trained;
    MetricType metric_type;
    float metric_arg;

    explicit Index(idx_t d_in = 0, MetricType metric = METRIC_L2)
            : d(static_cast<int>(d_in)),
              ntotal(0),
              verbose(false),
              is_trained(true),
              metric_type(metric),
              metric_arg(0) {}
    virtual ~Index();

    virtual void train(idx_t n, const float* x);
    virtual void train_with_queries(
            idx_t n,
            const float* x,
            idx_t n_train_q,
            const float* xq_train);
    virtual void train_ex(idx_t n, const void* x, NumericType numeric_type) {
        check_float32(numeric_type);
        train(n, static_cast<const float*>(x));
    }
    virtual void add(idx_t n, const float* x) = 0;
    virtual void add_ex(idx_t n, const void* x, NumericType numeric_type) {
        check_float32(numeric_type);
        add(n, static_cast<const float*>(x));
    }
    virtual void add_with_ids(idx_t n, const float* x, const idx_t* xids);
    virtual void add_with_ids_ex(
            idx_t n,
            const void* x,
            NumericType numeric_type,
            const idx_t* xids) {
        check_float32(numeric_type);
        add_with_ids(n, static_cast<const float*>(x), xids);
    }
    virtual void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const = 0;
    virtual void search_ex(
            idx_t n,
            const void* x,
            NumericType numeric_type,
            idx_t k,
            float* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const {
        check_float32(numeric_type);
        search(n, static_cast<const float*>(x), k, distances, labels, params);
    }
    virtual void search1(
            const float* x,
            ResultHandler& handler,
            SearchParameters* params = nullptr) const;
    virtual void range_search(
            idx_t n,
            const float* x,
            float radius,
            RangeSearchResult* result,
            const SearchParameters* params = nullptr) const;
    virtual void assign(idx_t n, const float* x, idx_t* labels, idx_t k = 1)
            const;
    virtual void reset() = 0;
    virtual size_t remove_ids(const IDSelector& sel);
    virtual void reconstruct(idx_t key, float* recons) const;
    virtual void reconstruct_batch(idx_t n, const idx_t* keys, float* recons)
            const;
    virtual void reconstruct_n(idx_t i0, idx_t ni, float* recons) const;
    virtual void search_and_reconstruct(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            float* recons,
            const SearchParameters* params = nullptr) const;
    virtual void search_subset(
            idx_t n,
            const float* x,
            idx_t k_base,
            const idx_t* base_labels,
            idx_t k,
            float* distances,
            idx_t* labels) const;
    virtual void compute_residual(const float* x, float* residual, idx_t key)
            const;
    virtual void compute_residual_n(
            idx_t n,
            const float* xs,
            float* residuals,
            const idx_t* keys) const;
    virtual DistanceComputer* get_distance_computer() const;
    virtual size_t sa_code_size() const;
    virtual void sa_encode(idx_t n, const float* x, uint8_t* bytes) const;
    virtual void sa_decode(idx_t n, const uint8_t* bytes, float* x) const;
    virtual void merge_from(Index& otherIndex, idx_t add_id = 0);
    virtual void check_compatible_for_merge(const Index& otherIndex) const;
    virtual void add_sa_codes(idx_t n, const uint8_t* codes, const idx_t* xids);

   private:
    static void check_float32(NumericType numeric_type) {
        FAISS_THROW_IF_NOT_MSG(
                numeric_type == Float32, "unsupported numeric type");
    }
};

} // namespace faiss
