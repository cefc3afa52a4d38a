// Rounding to the values of b_u against the recurrence of signs, and which
// blocks it takes the place of; tests/test_uniform_quantizer.py has more.

#include "check.h"
#include "test_data.h"
#include "transform/BinarizerTransform.h"
#include "transform/uniform_quantizer.h"

#include <cmath>
#include <limits>

using namespace faiss_bebr;
using test::Exact;
using test::Note;

static const std::vector<std::vector<int>> kShapes = {
        {8},
        {8, 8},
        {24, 16, 16},
        {72, 72, 64, 8},
        {16, 16, 16, 16, 16, 16, 16, 16}};

/// the sum of signs, which no operation rounds
static double add_signs(const std::vector<int>& widths, int j, double y) {
    double b = 0;
    for (size_t t = 0; t < widths.size() && j < widths[t]; t++) {
        b += y - b >= 0 ? std::ldexp(1.0, -int(t)) : -std::ldexp(1.0, -int(t));
    }
    return b;
}

TEST(values_are_sums_of_signs) {
    for (const std::vector<int>& widths : kShapes) {
        const PlaneLayout layout(widths);
        const int dim = layout.dim();
        const idx_t n = 400;
        test::Random random(1);
        std::vector<float> values(n * dim);
        for (float& y : values) {
            // on the edges of cells and between them, and beyond the range
            y = static_cast<float>(random.integer(-300, 300)) / 128;
        }
        const float infinity = std::numeric_limits<float>::infinity();
        const float specials[] = {infinity, -infinity, NAN, 0.0f, -0.0f, 3e38f};
        for (int j = 0; j < dim; j++) {
            values[j] = specials[j % 6];
        }
        Exact<float> y(values);
        Exact<float> b(n * dim);
        quantize_uniformly(layout, n, y.data(), b.data());
        for (idx_t i = 0; i < n * dim; i++) {
            const Note note("dim", dim, "y", y[i]);
            CHECK_EQUAL(double(b[i]), add_signs(widths, i % dim, y[i]));
        }
    }
}

TEST(inverse_blocks_are_seen) {
    for (const std::vector<int>& widths : kShapes) {
        const int d = widths[0];
        const Note note("d", d, "planes", widths.size());
        std::vector<float> weight(d * d), inverse(d * d);
        for (int j = 0; j < d; j++) {
            weight[j * d + j] = 3;
            inverse[j * d + j] = 1.0f / 3;
        }
        const std::vector<float> zeros(d);
        BinarizerTransform transform(d, widths);
        for (int t = 0; t < int(widths.size()); t++) {
            CHECK(!transform.quantizes_uniformly());
            transform.set_binarization_block(
                    t,
                    0,
                    weight.data(),
                    zeros.data(),
                    nullptr,
                    nullptr,
                    nullptr);
            transform.set_reconstruction_block(
                    t,
                    0,
                    inverse.data(),
                    zeros.data(),
                    nullptr,
                    nullptr,
                    nullptr);
        }
        CHECK(transform.quantizes_uniformly() == (widths.size() > 1));
    }
}
