#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/DocumentNorms.h"
#include "kernels/SDCKernels.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

struct MappedQuery;

/** Level-quantized queries of an SDCQuantizer. A query q times the range of the
 * documents is about step * levels in the dimensions that have bits, levels
 * being signed 8-bit integers. It counts as what these stand for, and as itself
 * in the other dimensions, which only centroids have.
 */
struct LevelQueries {
    std::vector<int8_t> levels; ///< n * layout.coded_dim()
    std::vector<float> step;    ///< n
    /// sum of levels * level_base, what turns dots into <levels, V>; size n
    std::vector<int32_t> shift;
    /// what a query adds to all its keys: for METRIC_L2 without centroids its
    /// squared norm in the metric of the weights, where centroids have scales
    /// its product with the origin, else zero; size n
    std::vector<float> bias;
    /// what the queries count as, for METRIC_L2 divided by the weights; size
    /// n * dim(), or empty where there are no centroids
    std::vector<float> decoded;
    /// what the centroid of a document adds to its keys: the squared distance
    /// to it, or the product times -1, less the bias, which its scale
    /// multiplies; NaN: not computed yet. Size n * ncentroids
    std::vector<float> centroid_keys;

    LevelQueries() = default;

    /// set() with all centroid_keys
    LevelQueries(const SDCQuantizer& sdc, size_t n, const float* x);

    /** Level-quantize other queries; throws as check_queries() does.
     * @param x              size n * dim()
     * @param keeps_decoded  whether `decoded` is needed without centroids
     */
    void set(
            const SDCQuantizer& sdc,
            size_t n,
            const float* x,
            bool keeps_decoded = false);

    /// makes sure that there is the key of the code's centroid, if it has one
    void fill_centroid_key(
            const SDCQuantizer& sdc,
            size_t i,
            const uint8_t* code);

    /** What turns products of query i with codes into what they are of keys,
     * see FloatKey, before the scales of documents.
     * @param layout  of the planes that the products are of
     */
    float get_key_scale(
            const SDCQuantizer& sdc,
            const PlaneLayout& layout,
            size_t i) const;

    /// how the kernels make a distance key of the dots of query i
    FloatKey key(
            const SDCQuantizer& sdc,
            size_t i,
            const float* doc_scale,
            const float* doc_bias) const;

    /** Keys of n documents for query i, as the kernels make them. Those of
     * their centroids have to be there.
     * @param dots   of the query's levels and each document's
     * @param codes  n pointers to codes
     * @param keys   output, size n
     */
    void get_keys(
            const SDCQuantizer& sdc,
            DocumentNorms& norms,
            size_t i,
            const int32_t* dots,
            const uint8_t* const* codes,
            size_t n,
            float* keys) const;

    /** The same of products, 2 * dot - shift.
     * @param key_scale  see get_key_scale()
     * @param products   may be the same memory as keys
     */
    void get_keys(
            const SDCQuantizer& sdc,
            DocumentNorms& norms,
            size_t i,
            float key_scale,
            const float* products,
            const uint8_t* const* codes,
            size_t n,
            float* keys) const;

   private:
    void set_query(
            const SDCQuantizer& sdc,
            const float* x,
            size_t i,
            MappedQuery& query);
    void fill_centroid_keys(const SDCQuantizer& sdc);
};

/// how many queries have centroid_keys of a size that memory has room for, at
/// least 256
size_t get_query_batch(const SDCQuantizer& sdc);

/// throws for queries that are not finite or overflow in the query map
void check_queries(const SDCQuantizer& sdc, size_t n, const float* x);

/// the distance that a key stands for; rounding may leave the square of a
/// distance just below 0
float key_to_distance(faiss::MetricType metric_type, float key);

} // namespace faiss_bebr
