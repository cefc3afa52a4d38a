// Searches that most documents leave by their bounds give the same bits as
// those that compare every document by its code.

#include "index_checks.h"
#include "indexes/IndexSDC.h"
#include "indexes/TableQueries.h"

#include <faiss/utils/simd_levels.h>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexSDC;
using test::idx_t;
using test::Note;

/// Runs the rest of a scope at a level of FAISS.
struct Level {
    faiss::SIMDLevel before;

    explicit Level(faiss::SIMDLevel level)
            : before(faiss::SIMDConfig::get_level()) {
        faiss::SIMDConfig::set_level(level);
    }
    ~Level() {
        faiss::SIMDConfig::set_level(before);
    }
};

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
        idx_t n) {
    IndexSDC index(widths, metric, widths[0] + 8, ncentroids);
    index.cp.niter = 2;
    index.is_trained = false;
    std::vector<float> x = make_vectors(n, index.d, 2);
    index.train(2000, x.data());
    index.add(n, x.data());
    // the same code twice, far apart
    std::memcpy(
            index.codes.data() + (n - 1) * index.code_size,
            index.codes.data() + index.code_size,
            index.code_size);
    return index;
}

static void check_same(
        const IndexSDC& index,
        idx_t nq,
        idx_t k,
        const faiss::IDSelector* sel) {
    const Note note("nq", nq, "k", k);
    const std::vector<float> x = make_vectors(nq, index.d, 3);
    const auto found = test::run_search<float>(index, x, nq, k, sel);
    // a radius that some documents are within
    const float radius = found[0][found[0].size() / 2].first;
    const auto in_range =
            test::run_range_search<float>(index, x, nq, radius, sel);
    const Level level(faiss::SIMDLevel::NONE);
    CHECK(found == test::run_search<float>(index, x, nq, k, sel));
    CHECK(in_range == test::run_range_search<float>(index, x, nq, radius, sel));
}

static void check_all_searches(const IndexSDC& index) {
    for (const auto& [nq, k] : {std::pair(1, 10), {7, 1}, {9, 300}, {40, 10}}) {
        check_same(index, nq, k, nullptr);
    }
    const test::StepSelector sel(3, index.ntotal);
    check_same(index, 14, 5, &sel);
    const test::StepSelector few(1000, 5000);
    check_same(index, 14, 10, &few);
    const test::Threads threads(3);
    check_same(index, 2, 10, nullptr);
    check_same(index, 100, 10, nullptr);
}

TEST(same_results_with_bounds) {
    const std::vector<std::vector<int>> shapes = {
            {64}, {64, 64}, {72, 40, 8}, {32, 32, 32, 32, 32, 32, 32, 32}};
    for (const std::vector<int>& widths : shapes) {
        for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
            for (size_t ncentroids : {0, 40, 300}) {
                const Note note(
                        "dim",
                        widths[0],
                        "planes",
                        widths.size(),
                        "centroids",
                        ncentroids);
                check_all_searches(
                        make_index(widths, metric, ncentroids, 11000));
            }
        }
    }
}

// Codes that no vector has: scales that are negative, infinite or NaN.
TEST(same_results_with_bounds_of_foreign_codes) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        IndexSDC index({64, 32}, metric);
        test::Random random(5);
        std::vector<uint8_t> codes = random.bytes(9000 * index.code_size);
        // most have a scale of 1 / 4 or so, and not only in their groups
        for (size_t i = 0; i < 9000; i++) {
            if (i % 100 != 0) {
                codes[(i + 1) * index.code_size - 1] = 0x34;
            }
        }
        index.add_sa_codes(9000, codes.data(), nullptr);
        check_all_searches(index);
    }
}

// Documents whose keys are NaN do not hide their neighbours' bounds.
TEST(same_results_with_bounds_beside_norms_of_nan) {
    IndexSDC index({128, 128}, METRIC_L2, 128, 8);
    const idx_t n = 12000;
    test::Random random(7);
    std::vector<float> x = random.normal(n * 128);
    for (idx_t i = 0; i < n; i++) {
        // long and short ones side by side
        const float length = 0.2f + 0.1f * float(random.integer(0, 28));
        for (int j = 0; j < 128; j++) {
            x[i * 128 + j] *= length;
        }
    }
    index.cp.niter = 2;
    index.train(n, x.data());
    index.add(n, x.data());
    const size_t place = index.sdc.layout.code_size();
    const uint8_t nan[2] = {0, 0x7e};
    for (idx_t i = 3000; i < n; i += 9) {
        std::memcpy(index.codes.data() + i * index.code_size + place, nan, 2);
    }
    // each one near a document beside those
    for (idx_t q = 3001; q < 6000; q += 300) {
        std::vector<float> queries(&x[q * 128], &x[(q + 5) * 128]);
        for (float& value : queries) {
            value *= 0.5f;
        }
        const auto found = test::run_search<float>(index, queries, 5, 5);
        const Level level(faiss::SIMDLevel::NONE);
        CHECK(found == test::run_search<float>(index, queries, 5, 5));
    }
}

// Queries whose keys are all the same, tiny or huge.
TEST(same_results_with_bounds_of_extreme_queries) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        const IndexSDC index = make_index({64, 64}, metric, 0, 9000);
        for (float factor : {0.0f, 1e-42f, 1e-30f, 1e15f}) {
            const Note note("factor", factor);
            std::vector<float> x = make_vectors(9, index.d, 3);
            for (float& value : x) {
                value *= factor;
            }
            const auto found = test::run_search<float>(index, x, 9, 20);
            const Level level(faiss::SIMDLevel::NONE);
            CHECK(found == test::run_search<float>(index, x, 9, 20));
        }
    }
}

// Factors of queries whose inverse overflows.
TEST(same_results_with_bounds_of_tiny_queries_and_large_documents) {
    const int d = 64;
    const idx_t n = 3000;
    IndexSDC index(d, 8, METRIC_INNER_PRODUCT);
    std::vector<float> x = test::Random(2).normal(n * d);
    for (float& value : x) {
        value *= 2e4f;
    }
    index.add(n, x.data());
    for (float factor : {1e-34f, 3e-35f, 1e-35f, 3e-36f}) {
        const Note note("factor", factor);
        std::vector<float> queries = test::Random(3).normal(5 * d);
        for (float& value : queries) {
            value *= factor;
        }
        for (idx_t nq : {1, 5}) {
            const auto found = test::run_search<float>(index, queries, nq, 5);
            const Level level(faiss::SIMDLevel::NONE);
            CHECK(found == test::run_search<float>(index, queries, nq, 5));
        }
    }
}

TEST(tables_are_taken_where_they_pay) {
    using faiss_bebr::find_table_kernels;
    using faiss_bebr::PlaneLayout;
    const faiss_bebr::TableKernels* kernels = faiss_bebr::get_table_kernels();
    const auto make_layout = [](int m, int nbits) {
        return PlaneLayout(std::vector<int>(nbits, m));
    };
    for (int nbits = 1; nbits <= 8; nbits++) {
        CHECK(find_table_kernels(make_layout(256, nbits), 15) == kernels);
    }
    CHECK(find_table_kernels(make_layout(6144, 1), 1) == kernels);
    CHECK(find_table_kernels(make_layout(6152, 1), 1) == nullptr);
    CHECK(find_table_kernels(make_layout(256, 1), 16) == kernels);
    const bool is_slow = kernels && kernels->index_bits == 4 &&
            faiss_bebr::get_kernels().has_byte_products;
    for (int nbits : {2, 3}) {
        CHECK(find_table_kernels(make_layout(256, nbits), 16) ==
              (is_slow ? nullptr : kernels));
    }
    CHECK(find_table_kernels(make_layout(256, 4), 16) == nullptr);
    const Level none(faiss::SIMDLevel::NONE);
    CHECK(find_table_kernels(make_layout(256, 1), 1) == nullptr);
}
