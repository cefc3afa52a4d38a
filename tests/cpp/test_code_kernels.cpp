// The kernels that read packed codes, of every instruction set that this
// processor has, compared bit for bit with the definitions in SDCKernels.h.

#include "all_kernels.h"
#include "check.h"
#include "codes/PlaneLayout.h"

#include <cfloat>
#include <cmath>
#include <memory>

using namespace faiss_bebr;
using test::Exact;
using test::get_all_kernels;
using test::make_bytes;
using test::Note;

/// codes in blocks of their own, of exact size
struct Codes {
    std::vector<std::unique_ptr<Exact<uint8_t>>> blocks;
    Exact<const uint8_t*> rows;
    /// levels and values of each code
    std::vector<std::vector<int>> levels, values;

    Codes(const PlaneLayout& layout, size_t n, test::Random& random, int kind)
            : rows(n) {
        for (size_t k = 0; k < n; k++) {
            blocks.push_back(
                    std::make_unique<Exact<uint8_t>>(
                            make_bytes(random, layout.code_size(), kind)));
            rows[k] = blocks[k]->data();
            levels.push_back(test::read_levels(layout.plane_widths, rows[k]));
            values.push_back(test::read_values(layout.plane_widths, rows[k]));
        }
    }
};

static void check_code_dots(
        const PlaneLayout& layout,
        size_t n,
        int kind,
        const std::vector<int8_t>& query_in) {
    const Note note("dim", layout.dim(), "n", n, "kind", kind);
    test::Random random(static_cast<uint32_t>(n));
    Codes codes(layout, n, random, kind);
    Exact<int8_t> query(query_in);
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note name("kernels", kernels.name);
        Exact<int32_t> dots(n);
        kernels.code_dots(
                layout.view(), query.data(), codes.rows.data(), n, dots.data());
        for (size_t k = 0; k < n; k++) {
            int64_t sum = 0;
            for (int i = 0; i < layout.dim(); i++) {
                sum += query[i] * codes.levels[k][i];
            }
            CHECK_EQUAL(int64_t(dots[k]), sum);
        }
    }
}

TEST(code_dots_of_all_layouts) {
    test::Random random(1);
    for (const std::vector<int>& widths : test::get_plane_widths()) {
        const PlaneLayout layout(widths);
        std::vector<int8_t> query(layout.dim());
        for (int8_t& level : query) {
            level = static_cast<int8_t>(random.integer(-128, 127));
        }
        for (size_t n = 1; n <= 9; n++) {
            check_code_dots(layout, n, 0, query);
        }
        check_code_dots(layout, 5, 1, query);
        check_code_dots(layout, 5, 2, query);
    }
}

// Sums of products of 255 or 127 and -128 leave 16 bits.
TEST(code_dots_of_extreme_values) {
    for (int nbits : {1, 7, 8}) {
        for (int dim : {8, 72, PlaneLayout::max_dim}) {
            const PlaneLayout layout = PlaneLayout::uniform(dim, nbits);
            for (int level : {-128, 127}) {
                const std::vector<int8_t> query(dim, int8_t(level));
                check_code_dots(layout, 5, 2, query);
            }
        }
    }
}

/// the sum as SDCKernels.h defines it, of the terms of all dimensions
static float sum_in_order(const std::vector<float>& terms) {
    std::vector<float> sums(64, 0.0f);
    for (size_t i = 0; i < terms.size(); i++) {
        sums[i % 64] += terms[i];
    }
    for (size_t half = 32; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++) {
            sums[j] += sums[j + half];
        }
    }
    return sums[0];
}

static bool is_same(float a, float b) {
    return std::memcmp(&a, &b, sizeof(float)) == 0 ||
            (std::isnan(a) && std::isnan(b));
}

/// what the float sums take beside codes
struct Terms {
    Exact<float> weight;
    Exact<float> offset;
    float scale_a, scale_b;

    Terms(int dim, test::Random& random)
            : weight(random.normal(dim)),
              offset(random.normal(dim)),
              scale_a(random.normal(1)[0]),
              scale_b(random.normal(1)[0]) {}
};

static void check_code_sums(
        const PlaneLayout& layout,
        int kind,
        Terms& terms,
        test::Random& random) {
    Codes codes(layout, 2, random, kind);
    const uint8_t* a = codes.rows[0];
    const uint8_t* b = codes.rows[1];
    std::vector<float> norm, self, product, l2sqr;
    for (int i = 0; i < layout.dim(); i++) {
        const float w = terms.weight[i];
        const float va = static_cast<float>(codes.values[0][i]);
        const float vb = static_cast<float>(codes.values[1][i]);
        norm.push_back(w * (va * va));
        const float query = w * (terms.scale_a * va) + terms.offset[i];
        product.push_back(query * vb);
        self.push_back(query * va);
        const float x = terms.scale_a * va - terms.scale_b * vb;
        l2sqr.push_back(w * (x * x));
    }
    const PlanesView view = layout.view();
    const float* weight = terms.weight.data();
    const float* offset = terms.offset.data();
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note name("kernels", kernels.name);
        const float scale_a = terms.scale_a;
        CHECK(is_same(kernels.code_norm(view, weight, a), sum_in_order(norm)));
        CHECK(is_same(
                kernels.code_product(view, weight, offset, scale_a, a, b),
                sum_in_order(product)));
        CHECK(is_same(
                kernels.code_product(view, weight, offset, scale_a, a, a),
                sum_in_order(self)));
        CHECK(is_same(
                kernels.code_l2sqr(view, weight, scale_a, a, terms.scale_b, b),
                sum_in_order(l2sqr)));
        CHECK(is_same(
                kernels.code_l2sqr(view, weight, scale_a, a, scale_a, a),
                0.0f));
    }
}

TEST(code_sums_of_all_layouts) {
    test::Random random(2);
    std::vector<std::vector<int>> all = test::get_plane_widths();
    all.push_back({PlaneLayout::max_dim, 8});
    for (const std::vector<int>& widths : all) {
        const Note note("dim", widths[0], "x", widths.size());
        const PlaneLayout layout(widths);
        for (int kind : {0, 0, 0, 1, 2}) {
            Terms terms(layout.dim(), random);
            check_code_sums(layout, kind, terms, random);
        }
    }
}

// Sums that overflow, and terms that vanish beside others.
TEST(code_sums_of_extreme_weights) {
    test::Random random(3);
    for (int nbits : {1, 2, 7, 8}) {
        const PlaneLayout layout = PlaneLayout::uniform(136, nbits);
        for (float extreme : {FLT_MAX, 1e-44f, 0.0f, -0.0f, 1e30f}) {
            const Note note("nbits", nbits, "extreme", extreme);
            Terms terms(layout.dim(), random);
            for (int i = 0; i < layout.dim(); i += 3) {
                terms.weight[i] = extreme;
                terms.offset[(i + 5) % layout.dim()] = -extreme;
            }
            check_code_sums(layout, 0, terms, random);
            terms.scale_a = 65504;
            terms.scale_b = 1e-8f;
            check_code_sums(layout, 2, terms, random);
        }
    }
}
