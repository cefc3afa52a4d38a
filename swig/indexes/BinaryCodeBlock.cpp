#include "indexes/BinaryCodeBlock.h"

#include <algorithm>
#include <cstring>

namespace faiss_bebr {

using faiss::METRIC_L2;

namespace {

struct CodeBlock : DocumentBlock<int32_t> {
    const BinaryDistance distance;
    const SDCKernels& kernels;
    const PlanesView planes;
    const size_t code_size;
    const uint8_t* queries;
    const uint8_t* codes;
    const uint8_t* rows = nullptr; ///< those of the block
    size_t nrows = 0;
    std::vector<uint8_t> copies;    ///< of rows that a selector took
    std::vector<int32_t> distances; ///< nrows padded to groups, a query
    size_t first_query = 0;         ///< of the last compute()

    CodeBlock(
            const BinaryDistance& distance_in,
            const uint8_t* queries_in,
            const uint8_t* codes_in)
            : distance(distance_in),
              kernels(get_kernels()),
              planes(distance_in.layout.view()),
              code_size(distance_in.layout.code_size()),
              queries(queries_in),
              codes(codes_in) {}

    void load_range(idx_t i, size_t n) override {
        nrows = n;
        rows = codes + i * code_size;
    }

    void load(const idx_t* ids, size_t n) override {
        // ids ascend
        if (ids[n - 1] - ids[0] == idx_t(n - 1)) {
            load_range(ids[0], n);
            return;
        }
        nrows = n;
        copies.resize(std::max(copies.size(), n * code_size));
        for (size_t j = 0; j < n; j++) {
            std::memcpy(
                    copies.data() + j * code_size,
                    codes + ids[j] * code_size,
                    code_size);
        }
        rows = copies.data();
    }

    void compute(size_t q0, size_t nq, const int32_t* /* thresholds */)
            override {
        const auto compare = distance.metric_type == METRIC_L2
                ? kernels.row_l2sqr
                : kernels.row_product;
        first_query = q0;
        distances.resize(std::max(distances.size(), nq * get_stride()));
        for (size_t i = 0; i < nq; i++) {
            compare(planes,
                    queries + (q0 + i) * code_size,
                    rows,
                    nrows,
                    distances.data() + i * get_stride());
        }
    }

    size_t collect(size_t q, int32_t threshold, uint32_t* hits, int32_t* keys)
            override {
        const int32_t sign = distance.metric_type == METRIC_L2 ? 1 : -1;
        return kernels.collect_int(
                {nullptr, sign, 0},
                distances.data() + (q - first_query) * get_stride(),
                get_stride(),
                threshold,
                hits,
                keys);
    }

   private:
    size_t get_stride() const {
        return (nrows + kGroup - 1) / kGroup * kGroup;
    }
};

/// so many that unpacking a block is worth it
size_t get_max_queries(int nplanes) {
    return nplanes == 1 ? 12 : nplanes == 2 ? 128 : 4;
}

} // namespace

std::unique_ptr<DocumentBlock<int32_t>> make_binary_code_block(
        const BinaryDistance& distance,
        size_t nq,
        const uint8_t* x,
        const uint8_t* codes) {
    const int nplanes = distance.layout.nplanes();
    if (nq > get_max_queries(nplanes) || nplanes > kMaxRowPlanes) {
        return nullptr;
    }
    return std::make_unique<CodeBlock>(distance, x, codes);
}

} // namespace faiss_bebr
