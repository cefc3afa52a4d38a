#pragma once

#include "indexes/DocumentNorms.h"
#include "indexes/sdc_queries.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/// What the documents of a block add to their keys.
struct DocumentBiases {
    DocumentBiases(const SDCQuantizer& sdc, size_t block_size);

    /// the documents of the block
    void load(const uint8_t* const* codes, size_t n);

    /** For query q and the first n documents.
     * @return  see FloatKey::doc_bias; valid until the next call
     */
    const float* get(const LevelQueries& queries, size_t q, size_t n);

   private:
    const SDCQuantizer& sdc;
    DocumentNorms get_norm;
    std::vector<float> norms;           ///< empty for the inner product
    std::vector<uint16_t> centroid_nos; ///< empty without centroids
    std::vector<float> centroid_scales; ///< likewise
    std::vector<float> sums;            ///< for one query
};

} // namespace faiss_bebr
