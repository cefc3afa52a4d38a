// The kernels of every instruction set that this processor has, called through
// their tables and compared bit for bit with the definitions in SDCKernels.h.

#include "all_kernels.h"
#include "check.h"
#include "codes/PlaneLayout.h"
#include "test_data.h"

#include <climits>
#include <cmath>
#include <limits>
#include <memory>

using namespace faiss_bebr;
using test::Exact;
using test::get_all_kernels;
using test::make_bytes;
using test::Note;

static void check_unpack(const PlaneLayout& layout, size_t n, int kind) {
    test::Random random(static_cast<uint32_t>(n));
    const size_t dim = layout.dim();
    // each code in a block of its own
    std::vector<std::unique_ptr<Exact<uint8_t>>> codes;
    Exact<const uint8_t*> rows(n);
    std::vector<uint8_t> expected(kGroup * dim, 0);
    for (size_t k = 0; k < n; k++) {
        codes.push_back(
                std::make_unique<Exact<uint8_t>>(
                        make_bytes(random, layout.code_size(), kind)));
        rows[k] = codes[k]->data();
        const std::vector<int> levels =
                test::read_levels(layout.plane_widths, rows[k]);
        for (size_t i = 0; i < dim; i++) {
            expected[i / 4 * 64 + 4 * k + i % 4] =
                    static_cast<uint8_t>(levels[i]);
        }
    }
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note note("kernels", kernels.name);
        Exact<uint8_t> levels(kGroup * dim);
        kernels.unpack_group(layout.view(), rows.data(), n, levels.data());
        CHECK(std::memcmp(levels.data(), expected.data(), levels.n) == 0);
    }
}

TEST(unpack_group_of_all_layouts) {
    for (const std::vector<int>& widths : test::get_plane_widths()) {
        const PlaneLayout layout(widths);
        for (size_t n = 1; n <= kGroup; n++) {
            const Note note("dim", widths[0], "x", widths.size(), "n", n);
            check_unpack(layout, n, 0);
        }
        check_unpack(layout, 16, 1);
        check_unpack(layout, 16, 2);
        check_unpack(layout, 3, 2);
    }
    check_unpack(PlaneLayout({PlaneLayout::max_dim, 8}), 5, 0);
}

static void check_dots(
        int dim,
        size_t nq,
        size_t ngroups,
        const std::vector<int8_t>& queries_in,
        const std::vector<uint8_t>& levels_in) {
    const Note note("dim", dim, "nq", nq, "ngroups", ngroups);
    Exact<int8_t> queries(queries_in);
    Exact<uint8_t> levels(levels_in);
    CHECK_EQUAL(queries.n, nq * dim);
    CHECK_EQUAL(levels.n, ngroups * kGroup * dim);
    std::vector<int32_t> expected(nq * ngroups * kGroup);
    for (size_t q = 0; q < nq; q++) {
        for (size_t j = 0; j < ngroups * kGroup; j++) {
            const uint8_t* group = levels.data() + j / 16 * 16 * dim;
            int64_t sum = 0;
            for (int i = 0; i < dim; i++) {
                sum += queries[q * dim + i] *
                        group[i / 4 * 64 + 4 * (j % 16) + i % 4];
            }
            CHECK_EQUAL(sum, int64_t(int32_t(sum)));
            expected[q * ngroups * kGroup + j] = int32_t(sum);
        }
    }
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note name("kernels", kernels.name);
        Exact<int32_t> dots(expected.size());
        kernels.dots(
                dim, queries.data(), nq, levels.data(), ngroups, dots.data());
        for (size_t i = 0; i < expected.size(); i++) {
            CHECK_EQUAL(dots[i], expected[i]);
        }
    }
}

static void check_level_sums(
        int dim,
        size_t ngroups,
        const std::vector<uint8_t>& levels_in) {
    const Note note("dim", dim, "ngroups", ngroups);
    Exact<uint8_t> levels(levels_in);
    CHECK_EQUAL(levels.n, ngroups * kGroup * dim);
    std::vector<int64_t> expected_sums(ngroups * kGroup);
    std::vector<int64_t> expected_squares(ngroups * kGroup);
    for (size_t j = 0; j < levels.n; j++) {
        const size_t document = j / (kGroup * dim) * kGroup + j % 64 / 4;
        expected_sums[document] += levels[j];
        expected_squares[document] += levels[j] * levels[j];
    }
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note name("kernels", kernels.name);
        Exact<int32_t> sums(ngroups * kGroup);
        Exact<int32_t> squares(ngroups * kGroup);
        kernels.level_sums(
                dim, levels.data(), ngroups, sums.data(), squares.data());
        for (size_t j = 0; j < sums.n; j++) {
            CHECK_EQUAL(sums[j], expected_sums[j]);
            CHECK_EQUAL(squares[j], expected_squares[j]);
        }
    }
}

TEST(level_sums_of_random_and_extreme_levels) {
    test::Random random(2);
    for (int dim : {8, 24, 72, 136, 264}) {
        for (size_t ngroups : {0, 1, 3}) {
            const size_t n = ngroups * kGroup * dim;
            check_level_sums(dim, ngroups, random.bytes(n));
            check_level_sums(dim, ngroups, std::vector<uint8_t>(n, 255));
        }
    }
    const int dim = PlaneLayout::max_dim;
    check_level_sums(dim, 1, std::vector<uint8_t>(kGroup * dim, 255));
}

static std::vector<int8_t> random_queries(test::Random& random, size_t n) {
    std::vector<int8_t> queries(n);
    for (int8_t& level : queries) {
        level = static_cast<int8_t>(random.integer(-128, 127));
    }
    return queries;
}

TEST(dots_of_random_levels) {
    test::Random random(1);
    for (int dim : {8, 24, 72, 136, 264}) {
        for (size_t nq = 1; nq <= 17; nq++) {
            for (size_t ngroups = 1; ngroups <= 9; ngroups++) {
                std::vector<uint8_t> levels =
                        random.bytes(ngroups * kGroup * dim);
                if ((nq + ngroups) % 2 == 0) {
                    // the way of levels that are all below 128
                    for (uint8_t& level : levels) {
                        level &= 0x7f;
                    }
                }
                const std::vector<int8_t> queries =
                        random_queries(random, nq * dim);
                check_dots(dim, nq, ngroups, queries, levels);
            }
        }
    }
}

// A pair of products of 255 and -128 leaves 16 bits; so does 128 and 127.
TEST(dots_of_extreme_levels) {
    for (int level : {0, 1, 127, 128, 129, 255}) {
        for (int query : {-128, -127, -1, 0, 1, 127}) {
            const Note note("level", level, "query", query);
            for (int dim : {8, 72, 264}) {
                check_dots(
                        dim,
                        7,
                        5,
                        std::vector<int8_t>(7 * dim, int8_t(query)),
                        std::vector<uint8_t>(5 * 16 * dim, uint8_t(level)));
            }
            const int dim = PlaneLayout::max_dim;
            check_dots(
                    dim,
                    1,
                    1,
                    std::vector<int8_t>(dim, int8_t(query)),
                    std::vector<uint8_t>(16 * dim, uint8_t(level)));
        }
    }
    // one level above 127, at each place of a group
    test::Random random(2);
    for (int i = 0; i < 16 * 24; i++) {
        std::vector<uint8_t> levels(16 * 24, 127);
        levels[i] = 255;
        check_dots(24, 1, 1, std::vector<int8_t>(24, -128), levels);
        check_dots(24, 1, 1, random_queries(random, 24), levels);
    }
}

TEST(dots_of_alternating_levels) {
    for (int dim : {8, 24, 136}) {
        std::vector<int8_t> queries(6 * dim);
        std::vector<uint8_t> levels(4 * 16 * dim);
        for (size_t i = 0; i < queries.size(); i++) {
            queries[i] = i % 2 ? 127 : -128;
        }
        for (size_t i = 0; i < levels.size(); i++) {
            levels[i] = i % 3 ? 255 : 0;
        }
        check_dots(dim, 6, 4, queries, levels);
    }
}

static void check_hamming(size_t nwords, size_t nq, size_t ngroups, int kind) {
    const Note note("nwords", nwords, "nq", nq, "ngroups", ngroups);
    test::Random random(static_cast<uint32_t>(nwords + nq * 100));
    const auto make_words = [&random](size_t n, int kind) {
        const std::vector<uint8_t> bytes = make_bytes(random, 8 * n, kind);
        std::vector<uint64_t> words(n);
        std::memcpy(words.data(), bytes.data(), 8 * n);
        return words;
    };
    Exact<uint64_t> queries(make_words(nq * nwords, kind % 3));
    Exact<uint64_t> words(make_words(ngroups * kGroup * nwords, kind / 3));
    std::vector<int32_t> expected;
    for (size_t q = 0; q < nq; q++) {
        for (size_t j = 0; j < ngroups * kGroup; j++) {
            int sum = 0;
            for (size_t w = 0; w < nwords; w++) {
                uint64_t bits = queries[q * nwords + w] ^
                        words[(j / 16 * nwords + w) * 16 + j % 16];
                for (; bits != 0; bits &= bits - 1) {
                    sum++;
                }
            }
            expected.push_back(sum);
        }
    }
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note name("kernels", kernels.name);
        Exact<int32_t> dots(expected.size());
        kernels.hamming(
                nwords, queries.data(), nq, words.data(), ngroups, dots.data());
        for (size_t i = 0; i < expected.size(); i++) {
            CHECK_EQUAL(dots[i], expected[i]);
        }
    }
}

TEST(hamming_distances) {
    for (size_t nwords = 1; nwords <= 5; nwords++) {
        for (size_t nq = 1; nq <= 17; nq++) {
            for (size_t ngroups = 1; ngroups <= 9; ngroups++) {
                check_hamming(nwords, nq, ngroups, 0);
            }
        }
    }
    for (int kind = 0; kind < 9; kind++) {
        check_hamming(PlaneLayout::max_dim / 64, 5, 1, kind);
    }
}

/// all kernels' hits and keys against a loop with the key of document j
template <class Key, class T, class Collect, class KeyOf>
static void check_collect(
        const Key& key,
        Exact<int32_t>& dots,
        T threshold,
        const Collect& collect,
        const KeyOf& key_of) {
    const Note note("n", dots.n, "threshold", threshold);
    std::vector<uint32_t> numbers;
    std::vector<T> expected;
    for (size_t j = 0; j < dots.n; j++) {
        const T value = key_of(j);
        if (value < threshold) {
            numbers.push_back(static_cast<uint32_t>(j));
            expected.push_back(value);
        }
    }
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note name("kernels", kernels.name);
        Exact<uint32_t> hits(dots.n);
        Exact<T> keys(dots.n);
        const size_t nhits =
                collect(kernels,
                        key,
                        dots.data(),
                        dots.n,
                        threshold,
                        hits.data(),
                        keys.data());
        CHECK_EQUAL(nhits, numbers.size());
        const size_t nbytes = nhits * sizeof(T);
        if (nhits > 0) {
            CHECK(std::memcmp(hits.data(), numbers.data(), 4 * nhits) == 0);
            CHECK(std::memcmp(keys.data(), expected.data(), nbytes) == 0);
        }
    }
}

static void check_collect_float(
        const FloatKey& key,
        Exact<int32_t>& dots,
        std::vector<float> thresholds) {
    const auto key_of = [&](size_t j) {
        const float bias = key.bias + (key.doc_bias ? key.doc_bias[j] : 0.0f);
        const float dot = static_cast<float>(2 * dots[j] - key.shift);
        return bias + key.doc_scale[j] * (key.scale * dot);
    };
    // a threshold that is a key leaves that document out
    thresholds.push_back(key_of(dots.n / 2));
    for (float threshold : thresholds) {
        check_collect(
                key,
                dots,
                threshold,
                [](const SDCKernels& kernels, auto... arguments) {
                    return kernels.collect_float(arguments...);
                },
                key_of);
    }
}

/// places of a float's exponent, signs and the special ones
static const std::vector<float> kThresholds = {
        -INFINITY,
        -1e30f,
        -1.0f,
        -0.0f,
        0.0f,
        1e-40f,
        1.0f,
        std::numeric_limits<float>::max(),
        INFINITY,
        NAN};

TEST(collect_float_in_the_order_of_its_operations) {
    test::Random random(4);
    for (size_t n = 16; n <= 144; n += 16) {
        Exact<int32_t> dots(n);
        for (size_t j = 0; j < n; j++) {
            dots[j] = random.integer(-1000000, 1000000);
        }
        Exact<float> scale(random.normal(n));
        Exact<float> bias(random.normal(n));
        for (float factor : {1.0f, -2.0f / 3, 1e-30f, 1e-44f, 1e30f, 0.0f}) {
            const int32_t shift = random.integer(-1000000, 1000000);
            const float query = random.normal(1)[0];
            const FloatKey key = {
                    scale.data(), bias.data(), factor, query, shift};
            check_collect_float(key, dots, kThresholds);
            const FloatKey unbiased = {
                    scale.data(), nullptr, factor, 0.0f, shift};
            check_collect_float(unbiased, dots, kThresholds);
        }
    }
}

TEST(collect_float_of_extreme_values) {
    // 2 dot - shift = <levels, V> is at most 127 * 255 * 32768
    const int32_t top = 127 * 255 * PlaneLayout::max_dim;
    const std::vector<float> values = {
            0.0f,
            -0.0f,
            1e-44f,
            -1e-44f,
            65504.0f,
            std::numeric_limits<float>::max(),
            -std::numeric_limits<float>::max(),
            INFINITY};
    Exact<int32_t> dots(64);
    Exact<float> scale(64);
    Exact<float> bias(64);
    for (size_t j = 0; j < 64; j++) {
        scale[j] = values[j % 8];
        bias[j] = values[j / 8];
        dots[j] = j % 3 == 0 ? top : j % 3 == 1 ? 0 : 1;
    }
    for (float factor : values) {
        for (int32_t shift : {0, top}) {
            const FloatKey key = {
                    scale.data(), bias.data(), factor, 1.0f, shift};
            check_collect_float(key, dots, kThresholds);
        }
    }
}

TEST(collect_int_wraps_its_terms) {
    test::Random random(5);
    const std::vector<int> scales = {1, 2, -2, -4, INT_MAX, INT_MIN};
    for (size_t n = 16; n <= 144; n += 16) {
        Exact<int32_t> dots(n);
        Exact<int32_t> doc_bias(n);
        const int range = n % 32 == 0 ? 1000 : INT_MAX;
        for (size_t j = 0; j < n; j++) {
            dots[j] = random.integer(-range, range);
            doc_bias[j] = random.integer(-range, range);
        }
        for (int scale : scales) {
            for (bool has_bias : {false, true}) {
                const IntKey key = {
                        has_bias ? doc_bias.data() : nullptr,
                        scale,
                        random.integer(-range, range)};
                const auto key_of = [&](size_t j) {
                    const int64_t sum = int64_t(key.bias) +
                            (has_bias ? doc_bias[j] : 0) +
                            int64_t(scale) * dots[j];
                    return static_cast<int32_t>(static_cast<uint32_t>(sum));
                };
                for (int threshold :
                     {INT_MIN, -500, 0, key_of(n / 2), 1000, INT_MAX}) {
                    check_collect(
                            key,
                            dots,
                            threshold,
                            [](const SDCKernels& kernels, auto... arguments) {
                                return kernels.collect_int(arguments...);
                            },
                            key_of);
                }
            }
        }
    }
}
