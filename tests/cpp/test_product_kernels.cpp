// Products of rows and a matrix by the kernels of every instruction set that
// this processor has, compared bit for bit with the definition in SDCKernels.h.

#include "all_kernels.h"
#include "check.h"
#include "codes/lane_sums.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace faiss_bebr;
using test::Exact;
using test::get_all_kernels;
using test::Note;

static float get_sum(bool is_fused, size_t d, const float* a, const float* b) {
    float lanes[16] = {0};
    for (size_t k = 0; k < d || k % 16 != 0; k++) {
        const float x = k < d ? a[k] : 0.0f;
        const float y = k < d ? b[k] : 0.0f;
        const float lane = lanes[k % 16];
        lanes[k % 16] = is_fused ? std::fma(x, y, lane) : lane + x * y;
    }
    float quarter[4];
    for (int j = 0; j < 4; j++) {
        const float even = lanes[j] + lanes[j + 8];
        const float odd = lanes[j + 4] + lanes[j + 12];
        quarter[j] = even + odd;
    }
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
}

/// bits, as a NaN is not equal to itself and zeros have two signs
static void check_same(float x, float expected) {
    if (std::isnan(expected)) {
        CHECK(std::isnan(x));
        return;
    }
    uint32_t bits[2];
    std::memcpy(&bits[0], &x, sizeof(x));
    std::memcpy(&bits[1], &expected, sizeof(x));
    CHECK_EQUAL(bits[0], bits[1]);
}

struct Case {
    size_t n;
    size_t d_in;
    size_t d_out;
    std::vector<float> x;
    std::vector<float> weight;
    std::vector<float> start;

    Case(size_t n_in, size_t d_in_in, size_t d_out_in)
            : n(n_in), d_in(d_in_in), d_out(d_out_in) {
        test::Random random(static_cast<uint32_t>(n + 7 * d_in + 31 * d_out));
        x = random.normal(n * d_in);
        weight = random.normal(d_out * d_in);
        start = random.normal(n * d_out);
    }

    /// @param in_place  y holds a start for each row; else there is one for all
    void check(bool in_place) {
        check(in_place, true);
        check(in_place, false);
    }

   private:
    void check(bool in_place, bool is_fused) {
        const Note note(
                "n",
                n,
                "d_in",
                d_in,
                "d_out",
                d_out,
                "in place",
                in_place,
                "fused",
                is_fused);
        Exact<float> exact_x(x);
        Exact<float> exact_weight(weight);
        for (const SDCKernels& kernels : get_all_kernels()) {
            const Note name("kernels", kernels.name);
            Exact<float> y(start);
            Exact<float> bias(
                    std::vector<float>(start.begin(), start.begin() + d_out));
            const auto multiply =
                    is_fused ? kernels.products : kernels.rounded_products;
            multiply(
                    n,
                    d_in,
                    d_out,
                    exact_x.data(),
                    exact_weight.data(),
                    in_place ? y.data() : bias.data(),
                    in_place ? d_out : 0,
                    y.data());
            for (size_t i = 0; i < n; i++) {
                for (size_t o = 0; o < d_out; o++) {
                    const float sum = get_sum(
                            is_fused, d_in, &x[i * d_in], &weight[o * d_in]);
                    const size_t row = in_place ? i : 0;
                    check_same(y[i * d_out + o], start[row * d_out + o] + sum);
                }
            }
        }
    }
};

TEST(products_of_every_shape_of_tile) {
    for (size_t n : {1, 2, 3, 4, 5, 6, 7, 9, 13}) {
        for (size_t d_out : {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 24}) {
            for (size_t d_in : {1, 7, 16, 33}) {
                for (bool in_place : {false, true}) {
                    Case(n, d_in, d_out).check(in_place);
                }
            }
        }
    }
}

// The matrix is cut into panels for the cache, of at least one tile.
TEST(products_of_large_matrices) {
    for (size_t n : {1, 4, 19}) {
        Case(n, 384, 129).check(false);
        Case(n, 1000, 50).check(true);
        Case(n, 5003, 14).check(false);
    }
}

TEST(rounded_products_are_those_of_lane_sums) {
    for (size_t d_in : {1, 15, 16, 100, 384}) {
        Case one(5, d_in, 7);
        const std::vector<float> zeros(7);
        for (const SDCKernels& kernels : get_all_kernels()) {
            const Note note("kernels", kernels.name, "d_in", d_in);
            std::vector<float> y(5 * 7);
            kernels.rounded_products(
                    5,
                    d_in,
                    7,
                    one.x.data(),
                    one.weight.data(),
                    zeros.data(),
                    0,
                    y.data());
            for (size_t j = 0; j < y.size(); j++) {
                const float expected = get_product(
                        int(d_in),
                        &one.x[j / 7 * d_in],
                        &one.weight[j % 7 * d_in]);
                check_same(y[j], expected);
            }
        }
    }
}

static float get_double_product(const float* a, const float* b, size_t n) {
    return static_cast<float>(sum_in_lanes<double>(
            int(n), [=](int k) { return double(a[k]) * b[k]; }));
}

TEST(products_in_double) {
    for (size_t n = 0; n <= 70; n++) {
        // sums that cancel out
        std::vector<float> a = test::Random(1).normal(n);
        std::vector<float> b = test::Random(2).normal(n);
        for (size_t k = 1; k < n; k += 2) {
            a[k] = a[k - 1] * 1e10f;
            b[k - 1] = -b[k] * 1e10f;
        }
        Exact<float> exact_a(a), exact_b(b);
        for (const SDCKernels& kernels : get_all_kernels()) {
            const Note note("kernels", kernels.name, "n", n);
            check_same(
                    kernels.double_product(n, exact_a.data(), exact_b.data()),
                    get_double_product(a.data(), b.data(), n));
        }
    }
}

TEST(products_in_double_at_the_ends_of_the_range) {
    const float infinity = std::numeric_limits<float>::infinity();
    const float largest = std::numeric_limits<float>::max();
    const float least = std::numeric_limits<float>::denorm_min();
    for (float special :
         {infinity, -infinity, NAN, largest, -largest, least, -least, -0.0f}) {
        for (size_t n : {5, 16, 37}) {
            std::vector<float> a = test::Random(3).normal(n), b = a;
            a[n / 2] = special;
            a[0] = b[n - 1] = -0.0f;
            for (const SDCKernels& kernels : get_all_kernels()) {
                const Note note("kernels", kernels.name, "special", special);
                check_same(
                        kernels.double_product(n, a.data(), b.data()),
                        get_double_product(a.data(), b.data(), n));
                check_same(
                        kernels.double_product(n, a.data(), a.data()),
                        get_double_product(a.data(), a.data(), n));
            }
        }
    }
}

TEST(products_of_numbers_at_the_ends_of_the_range) {
    const float infinity = std::numeric_limits<float>::infinity();
    const float largest = std::numeric_limits<float>::max();
    const float least = std::numeric_limits<float>::denorm_min();
    for (float special :
         {infinity, -infinity, NAN, largest, -largest, least, -least, -0.0f}) {
        const Note note("special", special);
        for (size_t n : {1, 5}) {
            Case one(n, 21, 10);
            one.x[3] = one.weight[21 * 9 + 20] = special;
            one.start[2] = special;
            one.check(false);
            // all products too small for a float, of either sign
            for (float& x : one.x) {
                x = std::copysign(least, x);
            }
            std::fill(one.start.begin(), one.start.end(), -0.0f);
            one.check(true);
        }
    }
}
