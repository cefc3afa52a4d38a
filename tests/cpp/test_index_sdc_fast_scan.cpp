// IndexSDCFastScan finds what IndexSDC finds, to the last bit, and keeps the
// same codes.

#include "index_checks.h"
#include "indexes/IndexSDCFastScan.h"

#include <faiss/utils/simd_levels.h>

#include <cmath>
#include <limits>
#include <tuple>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexSDC;
using faiss_bebr::IndexSDCFastScan;
using test::idx_t;
using test::Note;

/// at the level of the run, see test_cpp.py, and at that of plain C++
template <class Body>
static void at_levels(const Body& body) {
    body();
    const faiss::SIMDLevel before = faiss::SIMDConfig::get_level();
    faiss::SIMDConfig::set_level(faiss::SIMDLevel::NONE);
    body();
    faiss::SIMDConfig::set_level(before);
}

/// vectors around some points, so that a query has near ones and far ones
static std::vector<float> make_vectors(idx_t n, int d, uint32_t seed) {
    const int npoints = 37;
    const std::vector<float> points = test::Random(1).normal(npoints * d);
    test::Random random(seed);
    std::vector<float> x = random.normal(n * d);
    for (idx_t i = 0; i < n; i++) {
        const int point = random.integer(0, npoints - 1);
        for (int j = 0; j < d; j++) {
            x[i * d + j] = points[point * d + j] + 0.4f * x[i * d + j];
        }
    }
    return x;
}

static IndexSDC make_index(
        const std::vector<int>& widths,
        faiss::MetricType metric,
        size_t ncentroids,
        size_t scale_bytes,
        idx_t n) {
    IndexSDC index(widths, metric, widths[0] + 8, ncentroids);
    index.cp.niter = 2;
    index.set_scale_bytes(scale_bytes);
    index.is_trained = false;
    const std::vector<float> x = make_vectors(n, index.d, 2);
    index.train(2000, x.data());
    index.add(n, x.data());
    // the same code many times, so that ties are the rule
    for (idx_t i = 100; i < n; i += 50) {
        std::memcpy(
                index.codes.data() + i * index.code_size,
                index.codes.data() + i % 7 * index.code_size,
                index.code_size);
    }
    return index;
}

static void check_same(
        const IndexSDC& index,
        const IndexSDCFastScan& fast_scan,
        idx_t nq,
        idx_t k,
        const faiss::IDSelector* sel) {
    const Note note("nq", nq, "k", k);
    const std::vector<float> x = make_vectors(nq, index.d, 3);
    const auto expected = test::run_search<float>(index, x, nq, k, sel);
    CHECK(expected == test::run_search<float>(fast_scan, x, nq, k, sel));
    // a radius that some documents are within
    const float radius = expected[0][expected[0].size() / 2].first;
    CHECK(test::run_range_search<float>(index, x, nq, radius, sel) ==
          test::run_range_search<float>(fast_scan, x, nq, radius, sel));
}

static void check_all_searches(
        const IndexSDC& index,
        const IndexSDCFastScan& fast_scan) {
    const idx_t n = index.ntotal;
    for (const auto& [nq, k] :
         {std::pair<idx_t, idx_t>(1, 10),
          {3, 1},
          {4, 300},
          {17, 10},
          {2, n + 5}}) {
        check_same(index, fast_scan, nq, k, nullptr);
    }
    const test::StepSelector half(2, n), few(100, n), begin(1, 700);
    for (const test::StepSelector* sel : {&half, &few, &begin}) {
        check_same(index, fast_scan, 1, 5, sel);
        check_same(index, fast_scan, 9, 5, sel);
    }
    const test::Threads threads(3);
    check_same(index, fast_scan, 1, 10, nullptr);
    check_same(index, fast_scan, 100, 10, nullptr);
    check_same(index, fast_scan, 2, 10, &half);
}

static void check_index(IndexSDC index) {
    for (const auto& [k_factor, first_nbits] :
         {std::pair(1.0f, 1),
          {2.5f, 1},
          {2.5f, index.sdc.layout.nplanes() / 2 + 1}}) {
        const Note note("k_factor", k_factor, "first_nbits", first_nbits);
        index.k_factor = k_factor;
        index.first_nbits = std::min(first_nbits, index.sdc.layout.nplanes());
        const IndexSDCFastScan fast_scan(index);
        at_levels([&]() { check_all_searches(index, fast_scan); });
    }
}

TEST(same_results_as_rows) {
    const std::vector<std::vector<int>> shapes = {
            {64}, {64, 64}, {72, 40, 8}, {32, 32, 32, 32, 32, 32, 32, 32}};
    for (const std::vector<int>& widths : shapes) {
        for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
            for (size_t ncentroids : {0, 40, 300}) {
                for (size_t scale_bytes : {1, 2}) {
                    const Note note(
                            "planes",
                            widths.size(),
                            "centroids",
                            ncentroids,
                            "scale",
                            scale_bytes);
                    check_index(make_index(
                            widths, metric, ncentroids, scale_bytes, 3001));
                }
            }
        }
    }
}

// Codes that no vector has: scales that are negative, infinite or NaN.
TEST(same_results_of_foreign_codes) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        IndexSDC index({64, 32}, metric);
        test::Random random(5);
        std::vector<uint8_t> codes = random.bytes(4000 * index.code_size);
        for (size_t i = 0; i < 4000; i++) {
            if (i % 100 != 0) {
                codes[(i + 1) * index.code_size - 1] = 0x34;
            }
        }
        index.add_sa_codes(4000, codes.data(), nullptr);
        check_index(index);
    }
}

// Queries whose keys are all the same, tiny or huge.
TEST(same_results_of_extreme_queries) {
    const std::vector<std::tuple<faiss::MetricType, size_t, float>> cases = {
            {METRIC_L2, 1, 1.0f},
            {METRIC_L2, 2, 1.0f},
            {METRIC_L2, 1, 3.0f},
            {METRIC_INNER_PRODUCT, 1, 1.0f},
            {METRIC_INNER_PRODUCT, 2, 1.0f},
            {METRIC_INNER_PRODUCT, 1, 3.0f}};
    for (const auto& [metric, scale_bytes, k_factor] : cases) {
        IndexSDC index = make_index({64, 64}, metric, 0, scale_bytes, 4000);
        index.k_factor = k_factor;
        const IndexSDCFastScan fast_scan(index);
        for (float factor : {0.0f, 1e-42f, 1e-30f, 1e15f, 1e33f}) {
            const Note note("scale_bytes", scale_bytes, "factor", factor);
            std::vector<float> x = make_vectors(9, index.d, 3);
            for (float& value : x) {
                value *= factor;
            }
            for (idx_t nq : {1, 9}) {
                CHECK(test::run_search<float>(index, x, nq, 20) ==
                      test::run_search<float>(fast_scan, x, nq, 20));
            }
        }
        // radii that everything or nothing is within
        const std::vector<float> x = make_vectors(2, index.d, 3);
        const float infinity = std::numeric_limits<float>::infinity();
        for (float radius : {infinity, -infinity, 1e38f, -1e38f, 0.0f}) {
            const Note note("radius", radius);
            CHECK(test::run_range_search<float>(index, x, 2, radius) ==
                  test::run_range_search<float>(fast_scan, x, 2, radius));
        }
    }
}

TEST(same_results_of_tiny_queries_and_large_documents) {
    const int d = 64;
    const idx_t n = 3000;
    IndexSDC index(d, 8, METRIC_INNER_PRODUCT);
    std::vector<float> x = test::Random(2).normal(n * d);
    for (float& value : x) {
        value *= 2e4f;
    }
    index.add(n, x.data());
    const IndexSDCFastScan fast_scan(index);
    for (float factor : {1e30f, 1e-34f, 3e-35f, 1e-35f, 3e-36f}) {
        const Note note("factor", factor);
        std::vector<float> queries = test::Random(3).normal(5 * d);
        for (float& value : queries) {
            value *= factor;
        }
        for (idx_t nq : {1, 5}) {
            CHECK(test::run_search<float>(index, queries, nq, 5) ==
                  test::run_search<float>(fast_scan, queries, nq, 5));
        }
    }
}

static std::vector<uint8_t> get_codes(const IndexSDCFastScan& index) {
    std::vector<uint8_t> bytes(index.ntotal * index.code_size);
    index.codes.read(0, index.ntotal, bytes.data());
    return bytes;
}

// All changes leave the codes and the results that they leave in IndexSDC.
TEST(changes_at_all_sizes) {
    for (idx_t n : {1, 7, 8, 63, 64, 65, 200, 1000}) {
        const Note note("n", n);
        IndexSDC index(40, 3, METRIC_L2);
        IndexSDCFastScan fast_scan(40, 3, METRIC_L2);
        const std::vector<float> x = test::Random(6).normal(2 * n * 40);
        const auto check = [&]() {
            CHECK_EQUAL(fast_scan.ntotal, index.ntotal);
            CHECK(get_codes(fast_scan) == test::get_codes(index));
            if (index.ntotal > 0) {
                CHECK(test::run_search<float>(index, x, 2, 3) ==
                      test::run_search<float>(fast_scan, x, 2, 3));
            }
        };
        // in parts that end anywhere
        for (idx_t i = 0, part = 1; i < n; i += part, part = part * 3 % 23) {
            const idx_t count = std::min(part, n - i);
            index.add(count, x.data() + i * 40);
            fast_scan.add(count, x.data() + i * 40);
            check();
        }
        IndexSDC more(40, 3, METRIC_L2);
        more.add(n, x.data() + n * 40);
        IndexSDCFastScan more_fast(more);
        index.merge_from(more);
        fast_scan.merge_from(more_fast);
        CHECK_EQUAL(more_fast.ntotal, idx_t(0));
        check();
        for (const auto& sel :
             {test::StepSelector(3, 2 * n), {1, 5}, {2, n}, {1, 2 * n}}) {
            CHECK_EQUAL(index.remove_ids(sel), fast_scan.remove_ids(sel));
            check();
        }
        index.add(n, x.data());
        fast_scan.add(n, x.data());
        check();
    }
}

// Such an index comes from a file that somebody made.
TEST(codes_of_an_untrained_index_are_refused) {
    IndexSDC index({64}, METRIC_L2, 64, 5);
    index.ntotal = 10;
    index.codes.resize(10 * index.code_size);
    CHECK_THROWS(IndexSDCFastScan{index});
}

// What stays in memory is little more than the codes.
TEST(memory_of_codes) {
    IndexSDCFastScan index(256, 2);
    test::Random random(7);
    const std::vector<uint8_t> codes = random.bytes(1000 * index.code_size);
    for (idx_t i = 0; i < 20; i++) {
        index.add_sa_codes(1000, codes.data(), nullptr);
        const double nbytes = double(index.ntotal * index.code_size);
        CHECK(index.codes.get_num_bytes() <=
              1.05 * nbytes + 63 * index.code_size);
    }
    index.reset();
    CHECK_EQUAL(index.codes.get_num_bytes(), size_t(0));
    // merging takes new memory now and then, not each time
    size_t nbytes = 0, nmoves = 0;
    for (idx_t i = 0; i < 500; i++) {
        IndexSDCFastScan other(256, 2);
        other.add_sa_codes(64, codes.data(), nullptr);
        index.merge_from(other);
        nmoves += index.codes.get_num_bytes() != nbytes;
        nbytes = index.codes.get_num_bytes();
    }
    CHECK(nmoves < 250);
    CHECK(nbytes <= 1.05 * double(index.ntotal * index.code_size));
}

TEST(distances_of_the_computer) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        const IndexSDC index = make_index({64, 32}, metric, 40, 2, 2001);
        const IndexSDCFastScan fast_scan(index);
        std::unique_ptr<faiss::DistanceComputer> a(
                index.get_distance_computer());
        std::unique_ptr<faiss::DistanceComputer> b(
                fast_scan.get_distance_computer());
        const std::vector<float> x = make_vectors(1, index.d, 3);
        a->set_query(x.data());
        b->set_query(x.data());
        for (idx_t i = 0; i + 300 < index.ntotal; i += 37) {
            CHECK_EQUAL((*a)(i), (*b)(i));
            CHECK_EQUAL(a->symmetric_dis(i, i / 2), b->symmetric_dis(i, i / 2));
            float expected[4], found[4];
            a->distances_batch_4(
                    i,
                    i + 1,
                    i + 300,
                    i / 2,
                    expected[0],
                    expected[1],
                    expected[2],
                    expected[3]);
            b->distances_batch_4(
                    i,
                    i + 1,
                    i + 300,
                    i / 2,
                    found[0],
                    found[1],
                    found[2],
                    found[3]);
            CHECK(std::equal(expected, expected + 4, found));
        }
    }
}

TEST(arguments_that_are_refused) {
    IndexSDCFastScan index(64, 2);
    const std::vector<float> x = test::Random(8).normal(100 * 64);
    index.add(100, x.data());
    std::vector<float> out(100 * 64);
    CHECK_THROWS(index.reconstruct(100, out.data()));
    CHECK_THROWS(index.reconstruct(-1, out.data()));
    CHECK_THROWS(index.reconstruct_n(50, 51, out.data()));
    CHECK_THROWS(index.add_sa_codes(-1, index.codes.get_group(0), nullptr));
    CHECK_THROWS(index.merge_from(index));
    IndexSDC rows(64, 2);
    CHECK_THROWS(index.merge_from(rows));
    IndexSDCFastScan deeper(64, 3);
    CHECK_THROWS(index.merge_from(deeper));
    CHECK_THROWS(index.set_scale_bytes(2));
    CHECK_THROWS(index.set_scale_type(faiss_bebr::Scale_cosine));
    CHECK_THROWS(index.set_query_map(
            std::vector<float>(64, 1.0f), std::vector<float>(64)));
    faiss_bebr::SearchParametersSDC params;
    params.first_nbits = 9;
    std::vector<float> distances(1);
    std::vector<idx_t> labels(1);
    CHECK_THROWS(index.search(
            1, x.data(), 1, distances.data(), labels.data(), &params));
    CHECK_EQUAL(index.ntotal, idx_t(100));
}

TEST(interrupts) {
    IndexSDCFastScan index(256, 2);
    test::Random random(9);
    const idx_t n = 60000;
    const std::vector<uint8_t> codes = random.bytes(n * index.code_size);
    index.add_sa_codes(n, codes.data(), nullptr);
    const std::vector<float> x = random.normal(64 * 256);
    std::vector<float> distances(64 * 5);
    std::vector<idx_t> labels(64 * 5);
    test::check_interrupts([&]() {
        index.search(64, x.data(), 5, distances.data(), labels.data());
    });
}
