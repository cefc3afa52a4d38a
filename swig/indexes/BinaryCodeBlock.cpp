#include "indexes/BinaryCodeBlock.h"

#include <algorithm>

namespace faiss_bebr {

using faiss::METRIC_L2;

namespace {

/// rows of codes, and the integers that keys are made of
struct CodeBlock : DocumentBlock<int32_t> {
    const BinaryDistance distance;
    const SDCKernels& kernels;
    const uint8_t* codes; ///< the code of document i is row i
    std::vector<const uint8_t*> rows;
    std::vector<int32_t> dots;
    IntKey key = {nullptr, 0, 0};

    CodeBlock(const BinaryDistance& distance_in, const uint8_t* codes_in)
            : distance(distance_in), kernels(get_kernels()), codes(codes_in) {}

    virtual void compute_dots() = 0;

    void load(const idx_t* ids, size_t n) override {
        const size_t code_size = distance.layout.code_size();
        rows.resize(n);
        for (size_t j = 0; j < n; j++) {
            rows[j] = codes + ids[j] * code_size;
        }
        dots.assign((n + kGroup - 1) / kGroup * kGroup, 0);
    }

    void compute(size_t, size_t, const int32_t* /* thresholds */) override {
        compute_dots();
    }

    size_t collect(size_t, int32_t threshold, uint32_t* hits, int32_t* keys)
            override {
        return kernels.collect_int(
                key, dots.data(), dots.size(), threshold, hits, keys);
    }
};

/// one bit: the dots are Hamming distances, see WordBlock
struct BitBlock : CodeBlock {
    const uint8_t* query;

    BitBlock(
            const BinaryDistance& distance,
            const uint8_t* query_in,
            const uint8_t* codes)
            : CodeBlock(distance, codes), query(query_in) {
        key.scale = distance.metric_type == METRIC_L2 ? 1 : 2;
        key.bias =
                distance.metric_type == METRIC_L2 ? 0 : -distance.layout.dim();
    }

    void compute_dots() override {
        kernels.code_hamming(
                distance.layout.code_size(),
                query,
                rows.data(),
                rows.size(),
                dots.data());
    }
};

/** More bits, with M = 2^nbits - 1:
 *
 *     sum (c_q - c_d)^2  = sum c_q^2 + sum c_d (c_d - 2 c_q)
 *     -<V_q, V_d>        = M sum V_q - 2 sum c_d V_q
 */
struct PlanesBlock : CodeBlock {
    std::vector<int8_t> levels; ///< -2 c_q, or V_q

    PlanesBlock(
            const BinaryDistance& distance,
            const uint8_t* query,
            const uint8_t* codes)
            : CodeBlock(distance, codes), levels(distance.layout.dim()) {
        const bool is_l2 = distance.metric_type == METRIC_L2;
        const int max_level = (1 << distance.layout.nplanes()) - 1;
        std::vector<uint8_t> row(levels.size());
        distance.layout.unpack(query, row.data());
        key.scale = is_l2 ? 1 : -2;
        for (size_t i = 0; i < row.size(); i++) {
            const int level = row[i];
            const int value = 2 * level - max_level;
            levels[i] = static_cast<int8_t>(is_l2 ? -2 * level : value);
            key.bias += is_l2 ? level * level : max_level * value;
        }
    }

    void compute_dots() override {
        const auto kernel = distance.metric_type == METRIC_L2
                ? kernels.code_square_dots
                : kernels.code_dots;
        kernel(distance.layout.view(),
               levels.data(),
               rows.data(),
               rows.size(),
               dots.data());
    }
};

} // namespace

std::unique_ptr<DocumentBlock<int32_t>> make_binary_code_block(
        const BinaryDistance& distance,
        const uint8_t* query,
        const uint8_t* codes) {
    const int nplanes = distance.layout.nplanes();
    if (nplanes == 1) {
        return std::make_unique<BitBlock>(distance, query, codes);
    }
    // levels of queries are in -127 .. 127
    if (nplanes <= (distance.metric_type == METRIC_L2 ? 6 : 7)) {
        return std::make_unique<PlanesBlock>(distance, query, codes);
    }
    return nullptr;
}

} // namespace faiss_bebr
