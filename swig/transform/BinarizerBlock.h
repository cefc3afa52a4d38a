#pragma once

#include <faiss/MetricType.h>

#include <cstddef>
#include <memory>
#include <vector>

namespace faiss_bebr {

/** One block of the network, a residual MLP with its BatchNorm folded in:
 *
 *     y = skip_weight x + skip_bias
 *           + output_weight relu(hidden_weight x + hidden_bias)
 *
 * Without hidden units it is a linear map. Matrices are row-major. Blocks may
 * share the linear weights, which never change: in a network for a budget of
 * bytes all have the same.
 */
struct BinarizerBlock {
    int d_in = 0;
    int d_out = 0;
    int hidden = 0;
    /// d_out * d_in, or more rows, of which the first ones count
    std::shared_ptr<const std::vector<float>> skip_weight;
    std::vector<float> skip_bias;     ///< d_out
    std::vector<float> hidden_weight; ///< hidden * d_in
    std::vector<float> hidden_bias;   ///< hidden
    std::vector<float> output_weight; ///< d_out * hidden

    /// hidden = 0: a linear block, which the last three arrays are not read for
    BinarizerBlock(
            int d_in,
            int d_out,
            int hidden,
            const float* skip_weight,
            const float* skip_bias,
            const float* hidden_weight,
            const float* hidden_bias,
            const float* output_weight);

    /// no weights yet
    BinarizerBlock(int d_in_in, int d_out_in)
            : d_in(d_in_in), d_out(d_out_in) {}

    size_t num_skip_weights() const {
        return size_t(d_out) * d_in;
    }

    /// takes the linear weights of another block in place of equal ones
    void share_skip_weight(const BinarizerBlock& other);

    /// whether the linear weights are the first ones of another block
    bool has_skip_weight_of(const BinarizerBlock& other) const;

    /** @param x       size n * d_in
     *  @param y       output, size n * d_out
     *  @param buffer  size n * hidden
     */
    void apply(faiss::idx_t n, const float* x, float* y, float* buffer) const;

    bool operator==(const BinarizerBlock& other) const;
};

} // namespace faiss_bebr
