#include "transform/BinarizerBlock.h"

#include "kernels/SDCKernels.h"

#include <algorithm>

namespace faiss_bebr {

using faiss::idx_t;

namespace {

std::vector<float> copy(const float* x, size_t n) {
    return n ? std::vector<float>(x, x + n) : std::vector<float>();
}

} // namespace

BinarizerBlock::BinarizerBlock(
        int d_in_in,
        int d_out_in,
        int hidden_in,
        const float* skip_weight_in,
        const float* skip_bias_in,
        const float* hidden_weight_in,
        const float* hidden_bias_in,
        const float* output_weight_in)
        : d_in(d_in_in),
          d_out(d_out_in),
          hidden(hidden_in),
          skip_weight(
                  std::make_shared<const std::vector<float>>(
                          copy(skip_weight_in, size_t(d_out) * d_in))),
          skip_bias(copy(skip_bias_in, d_out)),
          hidden_weight(copy(hidden_weight_in, size_t(hidden) * d_in)),
          hidden_bias(copy(hidden_bias_in, hidden)),
          output_weight(copy(output_weight_in, size_t(d_out) * hidden)) {}

void BinarizerBlock::apply(idx_t n, const float* x, float* y, float* buffer)
        const {
    const SDCKernels& kernels = get_kernels();
    kernels.products(
            n, d_in, d_out, x, skip_weight->data(), skip_bias.data(), 0, y);
    if (hidden == 0) {
        return;
    }
    kernels.products(
            n,
            d_in,
            hidden,
            x,
            hidden_weight.data(),
            hidden_bias.data(),
            0,
            buffer);
    for (idx_t i = 0; i < n * hidden; i++) {
        buffer[i] = std::max(buffer[i], 0.0f);
    }
    kernels.products(
            n, hidden, d_out, buffer, output_weight.data(), y, d_out, y);
}

bool BinarizerBlock::has_skip_weight_of(const BinarizerBlock& other) const {
    const size_t n = num_skip_weights();
    if (d_in != other.d_in || n > other.num_skip_weights()) {
        return false;
    }
    return skip_weight == other.skip_weight ||
            std::equal(
                    skip_weight->data(),
                    skip_weight->data() + n,
                    other.skip_weight->data());
}

void BinarizerBlock::share_skip_weight(const BinarizerBlock& other) {
    if (has_skip_weight_of(other)) {
        skip_weight = other.skip_weight;
    }
}

bool BinarizerBlock::operator==(const BinarizerBlock& other) const {
    return d_out == other.d_out && hidden == other.hidden &&
            has_skip_weight_of(other) && skip_bias == other.skip_bias &&
            hidden_weight == other.hidden_weight &&
            hidden_bias == other.hidden_bias &&
            output_weight == other.output_weight;
}

} // namespace faiss_bebr
