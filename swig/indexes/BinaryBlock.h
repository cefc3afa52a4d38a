#pragma once

#include "codes/PlaneLayout.h"
#include "indexes/block_scan.h"
#include "kernels/SDCKernels.h"

#include <faiss/MetricType.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace faiss_bebr {

/** The distances between packed codes of equal planes, see IndexBinarySDC, as
 * keys: the distance itself for METRIC_L2, minus the inner product otherwise.
 * Every key is below the largest int32, which stands for no result.
 */
struct BinaryDistance {
    const PlaneLayout& layout;
    faiss::MetricType metric_type;

    /// codes of one bit are compared as words of 64 bits, others as levels
    bool uses_words() const {
        return layout.nplanes() == 1;
    }
    size_t nwords() const {
        return (layout.dim() + 63) / 64;
    }
    /// operations of one comparison
    size_t ops_per_pair() const {
        return uses_words() ? nwords() : layout.dim();
    }
    /// documents, see get_block_size()
    size_t block_size() const;

    /// the key below which documents are within the radius of a range search
    int32_t radius_to_key(int radius) const;

    /// the distance of a range search
    float key_to_float(int32_t key) const;

    /// turns n keys into the distances of a search, in place
    void keys_to_distances(size_t n, int32_t* keys) const;
};

/// Queries in the form that blocks of documents are compared with.
struct BinaryQueries {
    std::vector<uint64_t> words; ///< n * nwords(), padded with zeros

    /// c - 2^(nbits - 1), which fits int8 at any depth; n * dim
    std::vector<int8_t> levels;
    /// the part of the keys that only depends on the query, with levels; n
    std::vector<int32_t> bias;

    BinaryQueries() = default;

    /// @param x  packed codes, size n * layout.code_size()
    BinaryQueries(const BinaryDistance& distance, size_t n, const uint8_t* x);

    /// add query i of others
    void append(
            const BinaryDistance& distance,
            const BinaryQueries& others,
            size_t i);

    void clear();
};

/// A block of packed codes.
struct BinaryBlock : DocumentBlock<int32_t> {
    const BinaryDistance distance;
    const SDCKernels& kernels;
    const BinaryQueries* queries; ///< not owned
    const uint8_t* codes;         ///< the code of document i is row i
    size_t ngroups = 0;
    std::vector<int32_t> dots; ///< of the last compute()
    size_t first_query = 0;    ///< of it

    BinaryBlock(
            const BinaryDistance& distance_in,
            const BinaryQueries* queries_in,
            const uint8_t* codes_in)
            : distance(distance_in),
              kernels(get_kernels()),
              queries(queries_in),
              codes(codes_in) {}

   protected:
    /// where compute() writes
    int32_t* make_dots(size_t q0, size_t nq) {
        first_query = q0;
        dots.resize(std::max(dots.size(), nq * ngroups * kGroup));
        return dots.data();
    }
    const int32_t* get_dots(size_t q) const {
        return dots.data() + (q - first_query) * ngroups * kGroup;
    }
};

/// a block of distance.block_size() documents
std::unique_ptr<BinaryBlock> make_binary_block(
        const BinaryDistance& distance,
        const BinaryQueries* queries,
        const uint8_t* codes);

} // namespace faiss_bebr
