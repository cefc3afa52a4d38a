// PlaneLayout, float16, magnitudes and check_finite.

#include "check.h"
#include "codes/PlaneLayout.h"
#include "codes/check_arguments.h"
#include "codes/float16.h"
#include "codes/magnitudes.h"
#include "test_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using faiss_bebr::decode_float16;
using faiss_bebr::encode_float16;
using faiss_bebr::PlaneLayout;
using test::Exact;
using test::Note;

TEST(layout_describes_itself) {
    for (const std::vector<int>& widths : test::get_plane_widths()) {
        const Note note("widths", widths[0], "x", widths.size());
        const PlaneLayout layout(widths);
        CHECK_EQUAL(layout.dim(), widths[0]);
        CHECK_EQUAL(layout.nplanes(), int(widths.size()));
        CHECK_EQUAL(layout.code_size(), test::get_planes_size(widths));
        CHECK_EQUAL(layout.unit(), std::ldexp(1.0f, 1 - layout.nplanes()));
        // V is symmetric: all bits set give the opposite of no bits set
        const std::vector<uint8_t> ones(layout.code_size(), 0xff);
        const std::vector<uint8_t> zeros(layout.code_size(), 0);
        const std::vector<int> top = test::read_values(widths, ones.data());
        const std::vector<int> bottom = test::read_values(widths, zeros.data());
        for (int i = 0; i < layout.dim(); i++) {
            CHECK_EQUAL(top[i], -bottom[i]);
            CHECK_EQUAL(layout.level_base[i], top[i]);
        }
    }
    CHECK(PlaneLayout::uniform(24, 3) == PlaneLayout({24, 24, 24}));
    CHECK(!(PlaneLayout({24, 8}) == PlaneLayout({24, 16})));
    CHECK_EQUAL(PlaneLayout().code_size(), size_t(0));
    const std::vector<int> narrow = {24, 8};
    const PlaneLayout wide(narrow, 29);
    CHECK_EQUAL(wide.dim(), 29);
    CHECK_EQUAL(wide.coded_dim(), 24);
    CHECK_EQUAL(wide.code_size(), size_t(4));
    CHECK_EQUAL(wide.level_base.size(), size_t(24));
    CHECK_EQUAL(wide.view().dim, 24);
    CHECK(!(wide == PlaneLayout(narrow)));
    CHECK(PlaneLayout(narrow, 24) == PlaneLayout(narrow));
}

TEST(layout_refuses_impossible_widths) {
    CHECK_THROWS(PlaneLayout(std::vector<int>()));
    CHECK_THROWS(PlaneLayout(std::vector<int>(9, 8)));
    CHECK_THROWS(PlaneLayout({0}));
    CHECK_THROWS(PlaneLayout({-8}));
    CHECK_THROWS(PlaneLayout({12}));
    CHECK_THROWS(PlaneLayout({8, 16}));
    CHECK_THROWS(PlaneLayout({8, 0}));
    CHECK_THROWS(PlaneLayout({PlaneLayout::max_dim + 8}));
    const std::vector<int> widths = {16, 8};
    CHECK_THROWS(PlaneLayout(widths, 15));
    CHECK_THROWS(PlaneLayout(widths, -1));
    CHECK_THROWS(PlaneLayout(widths, PlaneLayout::max_dim + 1));
    CHECK_THROWS(PlaneLayout::uniform(8, 0));
    CHECK_THROWS(PlaneLayout::uniform(8, 9));
    CHECK_THROWS(PlaneLayout::uniform(8, -1));
    CHECK_THROWS(PlaneLayout::uniform(8, std::numeric_limits<int>::max()));
}

TEST(unpack_and_pack_invert_each_other) {
    test::Random random(1);
    for (const std::vector<int>& widths : test::get_plane_widths()) {
        const Note note("widths", widths[0], "x", widths.size());
        const PlaneLayout layout(widths);
        for (int round = 0; round < 3; round++) {
            Exact<uint8_t> code(random.bytes(layout.code_size()));
            Exact<uint8_t> levels(layout.dim());
            Exact<uint8_t> packed(layout.code_size());
            layout.unpack(code.data(), levels.data());
            layout.pack(levels.data(), packed.data());
            const std::vector<int> expected =
                    test::read_levels(widths, code.data());
            for (int i = 0; i < layout.dim(); i++) {
                CHECK_EQUAL(int(levels[i]), expected[i]);
            }
            for (size_t i = 0; i < layout.code_size(); i++) {
                CHECK_EQUAL(packed[i], code[i]);
            }
        }
    }
}

/// the level of one value by the recurrence of the paper: the sign, then the
/// sign of what each plane leaves
static int quantize_by_signs(double x, int nplanes, int nplanes_here) {
    int level = 0;
    double rest = x;
    for (int t = 0; t < nplanes_here; t++) {
        const bool positive = rest >= 0;
        level += positive ? 1 << (nplanes - 1 - t) : 0;
        rest -= positive ? std::ldexp(1.0, -t) : -std::ldexp(1.0, -t);
    }
    return level;
}

static std::vector<float> get_quantizer_inputs() {
    std::vector<float> inputs = test::Random(2).normal(400);
    const float denormal = std::numeric_limits<float>::denorm_min();
    const float smallest = std::numeric_limits<float>::min();
    for (float x :
         {0.0f,
          2 * denormal,
          1000 * denormal,
          smallest,
          1.9999999f,
          2.0f,
          2.0000002f,
          3.0f,
          1e10f,
          std::numeric_limits<float>::max()}) {
        inputs.push_back(x);
        inputs.push_back(-x);
    }
    // the edges of all grids, and their neighbours
    for (int i = -256; i <= 256; i++) {
        const float edge = static_cast<float>(i) / 128;
        inputs.push_back(edge);
        if (i == 0) {
            continue; // its neighbours have a test of their own, below
        }
        inputs.push_back(std::nextafter(edge, 4.0f));
        inputs.push_back(std::nextafter(edge, -4.0f));
    }
    while (inputs.size() % 8 != 0) {
        inputs.push_back(0.25f);
    }
    return inputs;
}

TEST(quantize_takes_the_signs_of_the_recurrence) {
    const std::vector<float> inputs = get_quantizer_inputs();
    const int dim = static_cast<int>(inputs.size());
    Exact<float> x(inputs);
    Exact<uint8_t> levels(dim);
    for (int nplanes = 1; nplanes <= 8; nplanes++) {
        std::vector<int> widths(nplanes, dim);
        // once equal, once narrowing so that each depth has its inputs
        for (int round = 0; round < 2; round++) {
            PlaneLayout(widths).quantize(x.data(), levels.data());
            for (int i = 0; i < dim; i++) {
                int here = 0;
                while (here < nplanes && i < widths[here]) {
                    here++;
                }
                const Note note("x", inputs[i], "planes", here, "of", nplanes);
                CHECK_EQUAL(
                        int(levels[i]),
                        quantize_by_signs(inputs[i], nplanes, here));
            }
            for (int t = 1; t < nplanes; t++) {
                widths[t] = dim / 8 * (nplanes - t) / nplanes * 8;
            }
        }
    }
}

TEST(quantize_divides) {
    const PlaneLayout layout = PlaneLayout::uniform(8, 2);
    Exact<float> x(std::vector<float>{3, 3, -3, 3, 0, -1e38f, 0.9f, -0.9f});
    Exact<float> divisors(
            std::vector<float>{1, 4, 4, INFINITY, 1, 1e-38f, 0.5f, 0.5f});
    std::vector<uint8_t> levels(8);
    layout.quantize(x.data(), levels.data(), divisors.data());
    CHECK(levels == std::vector<uint8_t>({3, 2, 1, 2, 2, 0, 3, 0}));
}

// Half of it is no float: rounding must not lose the sign.
TEST(quantize_keeps_the_sign_of_the_smallest_denormal) {
    const float smallest = std::numeric_limits<float>::denorm_min();
    for (int nplanes = 1; nplanes <= 8; nplanes++) {
        const Note note("planes", nplanes);
        const PlaneLayout layout = PlaneLayout::uniform(8, nplanes);
        Exact<float> x(std::vector<float>(8, -smallest));
        Exact<uint8_t> levels(8);
        layout.quantize(x.data(), levels.data());
        CHECK_EQUAL(int(levels[0]), (1 << (nplanes - 1)) - 1);
        x[0] = smallest;
        layout.quantize(x.data(), levels.data());
        CHECK_EQUAL(int(levels[0]), 1 << (nplanes - 1));
    }
}

TEST(float16_decodes_every_half) {
    for (int half = 0; half < 0x8000; half++) {
        const Note note("half", half);
        const float x = decode_float16(static_cast<uint16_t>(half));
        if (half > 0x7c00) {
            CHECK(std::isnan(x));
        } else {
            CHECK_EQUAL(double(x), test::read_float16(half));
            CHECK_EQUAL(int(encode_float16(x)), half);
        }
    }
    // scales have no sign; what a foreign code has in its place is still read
    for (int half = 0x8000; half <= 0xffff; half++) {
        const float x = decode_float16(static_cast<uint16_t>(half));
        CHECK(std::isnan(x) == ((half & 0x7fff) > 0x7c00));
    }
}

/// by bisection of the halves; 65520 is the middle of the largest and 2^16
static int round_to_float16(float x) {
    if (x >= 65520) {
        return 0x7c00;
    }
    int low = 0;
    int high = 0x7c00;
    while (high - low > 1) {
        const int middle = (low + high) / 2;
        (test::read_float16(middle) <= x ? low : high) = middle;
    }
    const double below = test::read_float16(low);
    const double above = high == 0x7c00 ? 65536 : test::read_float16(high);
    if (x - below == above - x) {
        return low % 2 == 0 ? low : high;
    }
    return x - below < above - x ? low : high;
}

TEST(float16_rounds_to_nearest_even) {
    const auto check = [](float x) {
        const Note note("x", x);
        CHECK_EQUAL(int(encode_float16(x)), round_to_float16(x));
    };
    for (int half = 0; half < 0x7c00; half++) {
        const double low = test::read_float16(half);
        const double high =
                half == 0x7bff ? 65536 : test::read_float16(half + 1);
        // halfway is a float, as a float has 13 bits more
        const float tie = static_cast<float>((low + high) / 2);
        check(tie);
        check(std::nextafter(tie, 0.0f));
        check(std::nextafter(tie, INFINITY));
    }
    test::Random random(3);
    for (int i = 0; i < 200000; i++) {
        const uint32_t bits = random.engine() & 0x7fffffff;
        float x;
        std::memcpy(&x, &bits, sizeof(x));
        if (std::isfinite(x)) {
            check(x);
        }
    }
    check(std::numeric_limits<float>::denorm_min());
    check(std::numeric_limits<float>::max());
    CHECK_EQUAL(int(encode_float16(INFINITY)), 0x7c00);
}

static int32_t get_bits(float x) {
    int32_t bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
}

TEST(largest_magnitude_is_of_any_value) {
    using faiss_bebr::get_largest_magnitude_bits;
    CHECK_EQUAL(get_largest_magnitude_bits(0, nullptr), 0);
    // one more than a few times what is taken at once, and less
    for (size_t n : {1, 15, 16, 17, 49}) {
        for (size_t i = 0; i < n; i++) {
            Exact<float> x(std::vector<float>(n, -0.0f));
            CHECK_EQUAL(get_largest_magnitude_bits(n, x.data()), 0);
            for (float value : {1e-45f, 2.5f, 3e38f, INFINITY}) {
                x[i] = value;
                CHECK_EQUAL(
                        get_largest_magnitude_bits(n, x.data()),
                        get_bits(value));
                x[i] = -value;
                x[n - 1 - i] = i == n - 1 - i ? -value : value / 2;
                CHECK_EQUAL(
                        get_largest_magnitude_bits(n, x.data()),
                        get_bits(value));
            }
            for (float nan : {NAN, -NAN}) {
                x[i] = nan;
                CHECK(get_largest_magnitude_bits(n, x.data()) >
                      faiss_bebr::kInfinityBits);
            }
        }
    }
}

TEST(check_finite_reads_all_values) {
    constexpr size_t n = 72; // more than are taken at once
    for (float bad : {INFINITY, -INFINITY, NAN}) {
        for (size_t i = 0; i < n; i++) {
            Exact<float> x(std::vector<float>(n, 1.0f));
            faiss_bebr::check_finite(n / 8, 8, x.data());
            x[i] = bad;
            CHECK_THROWS(faiss_bebr::check_finite(n / 8, 8, x.data()));
        }
    }
    faiss_bebr::check_finite(0, 8, nullptr);
}
