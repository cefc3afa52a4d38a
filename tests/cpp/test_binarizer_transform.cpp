// BinarizerTransform against a loop in double precision.

#include "check.h"
#include "test_data.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>
#include <memory>

using faiss_bebr::BinarizerBlock;
using faiss_bebr::BinarizerTransform;
using test::Exact;
using test::idx_t;
using test::Note;

using Vector = std::vector<double>;

/** Small integers as weights and input: no sum is rounded, so that signs, also
 * those of zero, are the same in any order of summation.
 */
static std::vector<float> small_integers(test::Random& random, size_t n) {
    std::vector<float> out(n);
    for (float& x : out) {
        x = static_cast<float>(random.integer(-2, 2));
    }
    return out;
}

static std::vector<float> make_weights(
        test::Random& random,
        size_t n,
        bool exact) {
    return exact ? small_integers(random, n) : random.normal(n);
}

/// blocks with hidden units at every other place
static BinarizerTransform make_transform(
        int d_in,
        const std::vector<int>& widths,
        bool normalize,
        bool exact) {
    BinarizerTransform transform(d_in, widths, normalize);
    test::Random random(static_cast<uint32_t>(d_in));
    const int nplanes = static_cast<int>(widths.size());
    for (int t = 0; t < nplanes; t++) {
        for (bool is_binarization : {true, false}) {
            const int in = is_binarization ? d_in : widths[0];
            const int out = is_binarization ? widths[t] : d_in;
            const int hidden = (t + is_binarization) % 2 == 0 ? 0 : 5 + 3 * t;
            const auto make = [&](size_t n) {
                return make_weights(random, n, exact);
            };
            Exact<float> skip(make(out * in));
            Exact<float> bias(make(out));
            Exact<float> hidden_weight(make(hidden * in));
            Exact<float> hidden_bias(make(hidden));
            Exact<float> output(make(out * hidden));
            const auto set = is_binarization
                    ? &BinarizerTransform::set_binarization_block
                    : &BinarizerTransform::set_reconstruction_block;
            (transform.*set)(
                    t,
                    hidden,
                    skip.data(),
                    bias.data(),
                    hidden ? hidden_weight.data() : nullptr,
                    hidden ? hidden_bias.data() : nullptr,
                    hidden ? output.data() : nullptr);
        }
    }
    transform.is_trained = true;
    return transform;
}

/// y = bias + weight x
static Vector multiply(
        const std::vector<float>& weight,
        const std::vector<float>& bias,
        const Vector& x) {
    Vector y(bias.begin(), bias.end());
    for (size_t i = 0; i < y.size(); i++) {
        for (size_t j = 0; j < x.size(); j++) {
            y[i] += weight[i * x.size() + j] * x[j];
        }
    }
    return y;
}

static Vector apply_block(const BinarizerBlock& block, const Vector& x) {
    const auto first = block.skip_weight->begin();
    const std::vector<float> weight(first, first + block.num_skip_weights());
    Vector y = multiply(weight, block.skip_bias, x);
    Vector hidden = multiply(block.hidden_weight, block.hidden_bias, x);
    for (double& h : hidden) {
        h = std::max(h, 0.0);
    }
    if (block.hidden > 0) {
        const std::vector<float> zeros(block.d_out, 0.0f);
        const Vector more = multiply(block.output_weight, zeros, hidden);
        for (size_t i = 0; i < y.size(); i++) {
            y[i] += more[i];
        }
    }
    return y;
}

static Vector reconstruct(
        const BinarizerTransform& transform,
        int t,
        const Vector& b) {
    Vector f = apply_block(transform.get_reconstruction()[t], b);
    if (transform.normalize) {
        double norm = 0;
        for (double x : f) {
            norm += x * x;
        }
        for (double& x : f) {
            x /= std::sqrt(norm);
        }
    }
    return f;
}

struct Binarized {
    Vector b;
    std::vector<uint8_t> code;
    double margin = INFINITY; ///< the least absolute value that got a sign
};

static Binarized binarize(const BinarizerTransform& transform, const float* x) {
    const std::vector<int>& widths = transform.layout.plane_widths;
    const Vector f(x, x + transform.d_in);
    Binarized out;
    out.b.assign(widths[0], 0.0);
    Vector residual = f;
    for (size_t t = 0; t < widths.size(); t++) {
        if (t > 0) {
            residual = reconstruct(transform, int(t) - 1, out.b);
            for (size_t j = 0; j < f.size(); j++) {
                residual[j] = f[j] - residual[j];
            }
        }
        const Vector y = apply_block(transform.get_binarization()[t], residual);
        const size_t offset = out.code.size();
        out.code.resize(offset + widths[t] / 8);
        for (int i = 0; i < widths[t]; i++) {
            const bool positive = y[i] >= 0;
            out.b[i] += std::ldexp(positive ? 1.0 : -1.0, -int(t));
            out.code[offset + i / 8] |= int(positive) << (i % 8);
            out.margin = std::min(out.margin, std::fabs(y[i]));
        }
    }
    return out;
}

/** @param margin  vectors with a value this close to 0 are left out, as sums
 *                 in float may give it the other sign
 *  @return  vectors compared
 */
static idx_t check_transform(
        const BinarizerTransform& transform,
        const std::vector<float>& input,
        double margin) {
    const idx_t n = input.size() / transform.d_in;
    const int d_out = transform.d_out;
    const size_t code_size = transform.layout.code_size();
    Exact<float> x(input);
    Exact<float> xt(n * d_out);
    Exact<uint8_t> codes(n * code_size);
    transform.apply_noalloc(n, x.data(), xt.data());
    transform.encode(n, x.data(), codes.data());
    idx_t ncompared = 0;
    for (idx_t i = 0; i < n; i++) {
        const Note note("vector", i);
        const Binarized expected =
                binarize(transform, &input[i * transform.d_in]);
        if (expected.margin < margin) {
            continue;
        }
        ncompared++;
        for (int j = 0; j < d_out; j++) {
            CHECK_EQUAL(double(xt[i * d_out + j]), expected.b[j]);
        }
        for (size_t j = 0; j < code_size; j++) {
            CHECK_EQUAL(codes[i * code_size + j], expected.code[j]);
        }
    }
    return ncompared;
}

static const std::vector<std::vector<int>> kShapes = {
        {8},
        {24, 24},
        {72, 64, 8},
        {16, 16, 16, 16, 16, 16, 16, 16},
        {136, 72, 72, 24}};

TEST(codes_of_integer_networks_are_exact) {
    for (const std::vector<int>& widths : kShapes) {
        for (int d_in : {1, 7, 16, 33}) {
            const Note note("d_in", d_in, "d_out", widths[0]);
            const BinarizerTransform transform =
                    make_transform(d_in, widths, false, true);
            test::Random random(2);
            for (idx_t n : {1, 5, 64}) {
                const std::vector<float> x = small_integers(random, n * d_in);
                CHECK_EQUAL(check_transform(transform, x, 0), n);
            }
        }
    }
}

TEST(codes_of_normalizing_networks) {
    for (const std::vector<int>& widths : kShapes) {
        for (bool normalize : {false, true}) {
            const Note note("d_out", widths[0], "normalize", normalize);
            const BinarizerTransform transform =
                    make_transform(16, widths, normalize, false);
            test::Random random(3);
            const std::vector<float> x = random.normal(100 * 16);
            CHECK(check_transform(transform, x, 1e-4) > 50);
        }
    }
}

TEST(batches_do_not_change_codes) {
    const BinarizerTransform transform =
            make_transform(8, {24, 8}, false, true);
    test::Random random(4);
    for (idx_t n : {1023, 1024, 1025, 2100}) {
        const Note note("n", n);
        CHECK_EQUAL(
                check_transform(transform, small_integers(random, n * 8), 0),
                n);
    }
    transform.apply_noalloc(0, nullptr, nullptr);
    transform.encode(0, nullptr, nullptr);
    transform.reverse_transform(0, nullptr, nullptr);
}

TEST(reverse_transform_is_the_last_reconstruction) {
    for (bool normalize : {false, true}) {
        for (const std::vector<int>& widths : kShapes) {
            const BinarizerTransform transform =
                    make_transform(16, widths, normalize, false);
            const int d_out = transform.d_out;
            for (idx_t n : {1, 6, 1030}) {
                const std::vector<float> input =
                        test::Random(5).normal(n * d_out);
                Exact<float> xt(input);
                Exact<float> x(n * 16);
                transform.reverse_transform(n, xt.data(), x.data());
                for (idx_t i = 0; i < n; i++) {
                    const Vector b(&xt[i * d_out], &xt[i * d_out] + d_out);
                    const Vector expected =
                            reconstruct(transform, int(widths.size()) - 1, b);
                    for (int j = 0; j < 16; j++) {
                        const double bound =
                                1e-5 * (d_out + std::fabs(expected[j]));
                        CHECK(std::fabs(x[i * 16 + j] - expected[j]) <= bound);
                    }
                }
            }
        }
    }
}

// A reconstruction of all zeros has no direction: its norm is not divided by.
TEST(zero_reconstructions_are_finite) {
    BinarizerTransform transform(8, {16, 16}, true);
    transform.is_trained = true;
    const std::vector<float> x(8, 1.0f);
    std::vector<float> xt(16);
    std::vector<float> back(8, 1.0f);
    transform.apply_noalloc(1, x.data(), xt.data());
    CHECK(xt == std::vector<float>(16, 1.5f));
    transform.reverse_transform(1, xt.data(), back.data());
    CHECK(back == std::vector<float>(8, 0.0f));
}

static void check_differs(
        const BinarizerTransform& transform,
        const faiss::VectorTransform& other) {
    CHECK_THROWS(transform.check_identical(other));
}

struct OtherTransform : faiss::VectorTransform {
    OtherTransform() : VectorTransform(16, 24) {}
    void apply_noalloc(idx_t, const float*, float*) const override {}
    void check_identical(const VectorTransform&) const override {}
};

TEST(check_identical_sees_every_difference) {
    const BinarizerTransform transform =
            make_transform(16, {24, 8}, false, false);
    const BinarizerTransform copy = transform;
    transform.check_identical(transform);
    transform.check_identical(copy);
    check_differs(transform, OtherTransform());
    check_differs(transform, make_transform(16, {24, 16}, false, false));
    check_differs(transform, make_transform(15, {24, 8}, false, false));
    check_differs(transform, make_transform(16, {24, 8}, true, false));

    const auto check_change = [&](auto change) {
        BinarizerTransform other = transform;
        change(other);
        check_differs(transform, other);
        check_differs(other, transform);
    };
    using T = BinarizerTransform;
    check_change([](T& other) { other.is_trained = false; });
    check_change([](T& other) { other.continuous = true; });
    check_change([](T& other) { other.query_weight[3] += 1; });
    check_change([](T& other) { other.query_offset[3] += 1; });
    const auto check_change_of_blocks = [&](auto change) {
        check_change([&](T& other) {
            auto binarization = other.get_binarization();
            auto reconstruction = other.get_reconstruction();
            change(binarization, reconstruction);
            other.set_blocks(binarization, reconstruction);
        });
    };
    using Blocks = std::vector<BinarizerBlock>;
    check_change_of_blocks([](Blocks& b, Blocks&) { b[1].skip_bias[7] += 1; });
    check_change_of_blocks(
            [](Blocks& b, Blocks&) { b[0].hidden_bias[2] += 1; });
    check_change_of_blocks([](Blocks&, Blocks& r) {
        std::vector<float> weight = *r[1].skip_weight;
        weight[9] += 1;
        r[1].skip_weight = std::make_shared<const std::vector<float>>(weight);
    });
    check_change_of_blocks(
            [](Blocks&, Blocks& r) { r[1].output_weight.back() += 1; });
}

TEST(untrained_and_bad_input_is_refused) {
    BinarizerTransform untrained(8, {16});
    std::vector<float> x(3 * 8, 1.0f);
    std::vector<float> xt(3 * 16, 1.0f);
    std::vector<uint8_t> codes(3 * 2);
    CHECK_THROWS(untrained.apply_noalloc(3, x.data(), xt.data()));
    CHECK_THROWS(untrained.reverse_transform(3, xt.data(), x.data()));
    CHECK_THROWS(untrained.encode(3, x.data(), codes.data()));

    const BinarizerTransform trained = make_transform(8, {16}, false, false);
    for (float bad : {NAN, INFINITY, -INFINITY}) {
        x[2 * 8 + 7] = bad;
        xt[2 * 16 + 15] = bad;
        CHECK_THROWS(trained.apply_noalloc(3, x.data(), xt.data()));
        CHECK_THROWS(trained.encode(3, x.data(), codes.data()));
        CHECK_THROWS(trained.reverse_transform(3, xt.data(), x.data()));
    }
}

TEST(impossible_shapes_are_refused) {
    CHECK_THROWS(BinarizerTransform(0, {16}));
    CHECK_THROWS(BinarizerTransform(-3, {16}));
    CHECK_THROWS(BinarizerTransform(8, {}));
    CHECK_THROWS(BinarizerTransform(8, {8, 16}));
    const BinarizerTransform before = make_transform(8, {16}, false, false);
    BinarizerTransform transform = before;
    const std::vector<float> zeros(16 * 8);
    for (int t : {-1, 1}) {
        CHECK_THROWS(transform.set_binarization_block(
                t, 0, zeros.data(), zeros.data(), nullptr, nullptr, nullptr));
        CHECK_THROWS(transform.set_reconstruction_block(
                t, 0, zeros.data(), zeros.data(), nullptr, nullptr, nullptr));
    }
    const std::vector<float> short_map(15);
    CHECK_THROWS(transform.set_query_map(short_map, zeros));
    CHECK_THROWS(transform.set_query_map(zeros, short_map));
    auto blocks = transform.get_binarization();
    auto other = transform.get_reconstruction();
    CHECK_THROWS(transform.set_blocks(other, blocks));
    other.pop_back();
    CHECK_THROWS(transform.set_blocks(blocks, other));
    transform.check_identical(before);
}

TEST(train_calls_the_trainer) {
    const BinarizerTransform trained = make_transform(8, {16}, false, true);
    BinarizerTransform transform(8, {16});
    const std::vector<float> x(3 * 8, 1.0f);
    const auto before = BinarizerTransform::trainer;
    BinarizerTransform::trainer = nullptr;
    CHECK_THROWS(transform.train(3, x.data()));
    BinarizerTransform::trainer = [](BinarizerTransform&, idx_t, const float*) {
        FAISS_THROW_MSG("the trainer failed");
    };
    CHECK_THROWS(transform.train(3, x.data()));
    CHECK(!transform.is_trained);
    BinarizerTransform::trainer =
            [&](BinarizerTransform& self, idx_t n, const float* data) {
                CHECK(n == 3 && data == x.data());
                self = trained;
            };
    transform.train(3, x.data());
    BinarizerTransform::trainer = before;
    CHECK(transform.is_trained);
    transform.check_identical(trained);
}

struct StopAtOnce : faiss::InterruptCallback {
    bool want_interrupt() override {
        return true;
    }
};

TEST(encoding_can_be_interrupted) {
    const BinarizerTransform transform = make_transform(8, {16}, false, true);
    test::Random random(6);
    const std::vector<float> x = small_integers(random, 3000 * 8);
    std::vector<float> xt(3000 * 16);
    faiss::InterruptCallback::instance = std::make_unique<StopAtOnce>();
    CHECK_THROWS(transform.apply_noalloc(3000, x.data(), xt.data()));
    faiss::InterruptCallback::clear_instance();
    CHECK_EQUAL(check_transform(transform, x, 0), idx_t(3000));
}
