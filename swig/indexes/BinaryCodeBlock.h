#pragma once

#include "indexes/BinaryBlock.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/// A block that queries are compared with straight by the codes.
struct BinaryCodeBlock : DocumentBlock<int32_t> {
    const BinaryDistance distance;
    const SDCKernels& kernels;
    const PlanesView planes;
    const size_t code_size;
    const uint8_t* queries; ///< packed codes, query i is row i
    const uint8_t* codes;   ///< the code of document i is row i

    /// whether kernels can do that, and it takes less time for so many queries
    /// than to unpack the block
    static bool is_for(const BinaryDistance& distance, size_t nq);

    BinaryCodeBlock(
            const BinaryDistance& distance,
            const uint8_t* queries,
            const uint8_t* codes);

    void load(const idx_t* ids, size_t n) override;

    void load_range(idx_t i, size_t n) override;

    void compute(size_t q0, size_t nq, const int32_t* thresholds) override;

    size_t collect(size_t q, int32_t threshold, uint32_t* hits, int32_t* keys)
            override;

   private:
    const uint8_t* rows = nullptr; ///< those of the block
    size_t nrows = 0;
    std::vector<uint8_t> copies;    ///< of rows that a selector took
    std::vector<int32_t> distances; ///< nrows padded to groups, a query
    size_t first_query = 0;         ///< of the last compute()

    size_t get_stride() const {
        return (nrows + kGroup - 1) / kGroup * kGroup;
    }
};

} // namespace faiss_bebr
