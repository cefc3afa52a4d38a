// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>

namespace faiss {

/// The base of binary indexes; d counts bits. As in Index, the functions with
/// the suffix _ex are inline in FAISS.
struct IndexBinary {
    using component_t = uint8_t;
    using distance_t = int32_t;

    int d = 0;
    int code_size = 0; ///< d / 8 bytes
    idx_t ntotal = 0;
    bool verbose = false;
    bool is_trained = true;
    MetricType metric_type = METRIC_L2;

    /// throws unless d is a multiple of 8
    explicit IndexBinary(idx_t d = 0, MetricType metric = METRIC_L2);
    virtual ~IndexBinary();

    virtual void train(idx_t n, const uint8_t* x);
    virtual void train_ex(idx_t n, const void* x, NumericType numeric_type) {
        check_uint8(numeric_type);
        train(n, static_cast<const uint8_t*>(x));
    }
    virtual void add(idx_t n, const uint8_t* x) = 0;
    virtual void add_ex(idx_t n, const void* x, NumericType numeric_type) {
        check_uint8(numeric_type);
        add(n, static_cast<const uint8_t*>(x));
    }
    virtual void add_with_ids(idx_t n, const uint8_t* x, const idx_t* xids);
    virtual void add_with_ids_ex(
            idx_t n,
            const void* x,
            NumericType numeric_type,
            const idx_t* xids) {
        check_uint8(numeric_type);
        add_with_ids(n, static_cast<const uint8_t*>(x), xids);
    }
    virtual void search(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const = 0;
    virtual void search_ex(
            idx_t n,
            const void* x,
            NumericType numeric_type,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            const SearchParameters* params = nullptr) const {
        check_uint8(numeric_type);
        search(n, static_cast<const uint8_t*>(x), k, distances, labels, params);
    }
    virtual void range_search(
            idx_t n,
            const uint8_t* x,
            int radius,
            RangeSearchResult* result,
            const SearchParameters* params = nullptr) const;
    void assign(idx_t n, const uint8_t* x, idx_t* labels, idx_t k = 1) const;
    virtual void reset() = 0;
    virtual size_t remove_ids(const IDSelector& sel);
    virtual void reconstruct(idx_t key, uint8_t* recons) const;
    virtual void reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons) const;
    virtual void search_and_reconstruct(
            idx_t n,
            const uint8_t* x,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            uint8_t* recons,
            const SearchParameters* params = nullptr) const;
    void display() const;
    virtual void merge_from(IndexBinary& otherIndex, idx_t add_id = 0);
    virtual void check_compatible_for_merge(
            const IndexBinary& otherIndex) const;
    virtual size_t sa_code_size() const;
    virtual void add_sa_codes(idx_t n, const uint8_t* codes, const idx_t* xids);

   private:
    static void check_uint8(NumericType numeric_type) {
        FAISS_THROW_IF_NOT_MSG(
                numeric_type == UInt8, "unsupported numeric type");
    }
};

} // namespace faiss
