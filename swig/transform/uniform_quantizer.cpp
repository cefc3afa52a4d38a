#include "transform/uniform_quantizer.h"

#include "kernels/SDCKernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace faiss_bebr {

using faiss::idx_t;

namespace {

// What rounding of the blocks makes of a value of W_t(f - R(b)) at most: 7e-6
// was seen with 384 dimensions. Values of eight planes are 0.016 apart.
constexpr double kMaxError = 1e-4;

/// rows of the product that are looked at together
constexpr int kBatch = 64;

bool have_same_weights(
        const std::vector<BinarizerBlock>& binarization,
        const std::vector<BinarizerBlock>& reconstruction) {
    for (const BinarizerBlock& block : binarization) {
        if (block.hidden > 0 || !block.has_skip_weight_of(binarization[0])) {
            return false;
        }
    }
    for (const BinarizerBlock& block : reconstruction) {
        if (block.hidden > 0 || !(block == reconstruction[0])) {
            return false;
        }
    }
    return true;
}

/// rows of the block's weights without any
std::vector<bool> find_empty_rows(const BinarizerBlock& block) {
    std::vector<bool> is_empty(block.d_out);
    for (int j = 0; j < block.d_out; j++) {
        const float* row = block.skip_weight->data() + size_t(j) * block.d_in;
        is_empty[j] = std::all_of(
                row, row + block.d_in, [](float x) { return x == 0; });
    }
    return is_empty;
}

/** How far biases of W_t(f - R(b)) are from those of W_0(f), at most, in each
 * dimension.
 */
std::vector<double> get_bias_errors(
        const std::vector<BinarizerBlock>& binarization,
        const BinarizerBlock& reconstruction,
        const std::vector<bool>& is_empty) {
    constexpr double none_fits = std::numeric_limits<double>::infinity();
    const BinarizerBlock& first = binarization[0];
    // what W_t takes off with the bias of the reconstruction
    std::vector<float> shift(first.d_out);
    const std::vector<float> zeros(first.d_out);
    get_kernels().products(
            1,
            first.d_in,
            first.d_out,
            reconstruction.skip_bias.data(),
            first.skip_weight->data(),
            zeros.data(),
            0,
            shift.data());
    std::vector<double> errors(first.d_out);
    for (int j = 0; j < first.d_out; j++) {
        const float bias = first.skip_bias[j];
        if (is_empty[j] && bias != 0) {
            errors[j] = none_fits;
        }
        for (size_t t = 1; t < binarization.size(); t++) {
            if (j >= binarization[t].d_out) {
                break;
            }
            const float other = binarization[t].skip_bias[j];
            // 0 has +1 and then -1, as it is just above the middle
            const double error = !is_empty[j]
                    ? std::fabs(double(other) - shift[j] - bias)
                    : other < 0 ? 0
                                : none_fits;
            errors[j] = error <= errors[j] ? errors[j] : error;
        }
    }
    return errors;
}

/// adds what the product of the weights makes of b in -2 .. 2 beside b itself
void add_weight_errors(
        const BinarizerBlock& binarization,
        const BinarizerBlock& reconstruction,
        const std::vector<bool>& is_empty,
        std::vector<double>& errors) {
    const int d_in = binarization.d_in;
    const int d_out = binarization.d_out;
    const float* rows = reconstruction.skip_weight->data();
    const std::vector<float> zeros(d_out);
    std::vector<float> columns(size_t(kBatch) * d_in);
    std::vector<float> product(size_t(kBatch) * d_out);
    for (int first = 0; first < d_out; first += kBatch) {
        const int n = std::min(kBatch, d_out - first);
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < d_in; k++) {
                columns[size_t(i) * d_in + k] =
                        rows[size_t(k) * d_out + first + i];
            }
        }
        get_kernels().products(
                n,
                d_in,
                d_out,
                columns.data(),
                binarization.skip_weight->data(),
                zeros.data(),
                0,
                product.data());
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < d_out; j++) {
                const float expected = j == first + i && !is_empty[j];
                const float x = product[size_t(i) * d_out + j];
                errors[j] += 2 * std::fabs(double(x) - expected);
            }
        }
    }
}

} // namespace

bool is_uniform_quantizer(
        const PlaneLayout& layout,
        const std::vector<BinarizerBlock>& binarization,
        const std::vector<BinarizerBlock>& reconstruction) {
    // of one plane it is one, but R_0 is not asked for anything
    if (layout.nplanes() < 2 ||
        !have_same_weights(binarization, reconstruction)) {
        return false;
    }
    const std::vector<bool> is_empty = find_empty_rows(binarization[0]);
    std::vector<double> errors =
            get_bias_errors(binarization, reconstruction[0], is_empty);
    add_weight_errors(binarization[0], reconstruction[0], is_empty, errors);
    // not of NaN
    return std::all_of(errors.begin(), errors.end(), [](double error) {
        return error < kMaxError;
    });
}

void quantize_uniformly(
        const PlaneLayout& layout,
        idx_t n,
        const float* y,
        float* b) {
    const int dim = layout.dim();
    for (int t = 0; t < layout.nplanes(); t++) {
        // dimensions of planes 0 .. t only, whose values are the odd multiples
        // of 2^-t below 2
        const int first =
                t + 1 < layout.nplanes() ? layout.plane_widths[t + 1] : 0;
        const int last = layout.plane_widths[t];
        const float half = std::ldexp(1.0f, t); // of the values are negative
        const float step = std::ldexp(1.0f, -t);
        for (idx_t i = 0; i < n; i++) {
            for (int j = first; j < last; j++) {
                // NaN goes where its sign in the recurrence does
                float cell = y[i * dim + j] * (0.5f * half);
                cell = cell > -half ? cell : -half;
                cell = cell < half ? cell : half - 1;
                int number = static_cast<int>(cell);
                number -= cell < static_cast<float>(number); // rounds down
                b[i * dim + j] = step * static_cast<float>(2 * number + 1);
            }
        }
    }
}

} // namespace faiss_bebr
