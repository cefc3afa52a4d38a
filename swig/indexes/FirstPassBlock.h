#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"

#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** Queries of 4 bits in bit planes, whose products with planes of documents are
 * counts of differing bits. Measured on embeddings, 4 bits find the same
 * candidates as the 8 of LevelQueries, and 1 bit needs six times as many.
 */
struct PlaneQueries {
    static constexpr int nbits = 4;

    /// for each plane of the documents: nbits rows for each query, with bits
    /// for the dimensions of that plane
    std::vector<std::vector<uint64_t>> words;
    /// a query is about step times the odd integers -15 .. 15; size n
    std::vector<float> step;

    PlaneQueries(const PlaneLayout& documents, const LevelQueries& queries);
};

/// A block of the first planes of codes. Documents count as decoded from these
/// alone, with their own scales.
struct FirstPassBlock : DocumentBlock<float> {
    const SDCQuantizer& sdc;    ///< of the codes
    const PlaneLayout& shallow; ///< of their first planes
    const LevelQueries& queries;
    const PlaneQueries& planes;
    const SDCKernels& kernels;
    const uint8_t* codes; ///< the code of document i is row i

    /// @param block_size  documents, a multiple of the group size
    FirstPassBlock(
            const SDCQuantizer& sdc,
            const PlaneLayout& shallow,
            const LevelQueries& queries,
            const PlaneQueries& planes,
            const uint8_t* codes,
            size_t block_size);

    void load(const idx_t* ids, size_t n) override;

    void compute(size_t q0, size_t nq, const float* thresholds) override;

    size_t collect(size_t q, float threshold, uint32_t* hits, float* keys)
            override;

   private:
    size_t ngroups = 0;
    size_t ndocuments = 0;
    /// of each plane, see SDCKernels
    std::vector<std::vector<uint64_t>> words;
    std::vector<float> scale;
    DocumentBiases biases;
    /// what turns the sums of compute() into products
    int32_t shift = 0;
    std::vector<int32_t> counts;
    std::vector<int32_t> dots; ///< of the last compute()
    size_t first_query = 0;    ///< of it

    /// plane t of a code as that of document j of the block
    void load_plane(int t, const uint8_t* code, size_t j);
};

} // namespace faiss_bebr
