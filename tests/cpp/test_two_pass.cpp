// Two-pass search of IndexSDC: what it finds has the distances of one pass, and
// with enough candidates it is the same.

#include "index_checks.h"
#include "indexes/IndexSDC.h"

#include <cfloat>
#include <cmath>
#include <map>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexSDC;
using faiss_bebr::SearchParametersSDC;
using test::idx_t;
using test::Note;

static const std::vector<std::vector<int>> kShapes = {
        {8},
        {24, 24},
        {72, 72, 24},
        {136, 72, 24, 8},
        {264, 264, 136, 128, 72, 64, 32, 8}};

static IndexSDC make_index(
        const std::vector<int>& widths,
        faiss::MetricType metric,
        idx_t n) {
    IndexSDC index(widths, metric);
    test::Random random(static_cast<uint32_t>(widths.size()));
    std::vector<float> weight(index.d, 0.5f);
    weight[0] = 0;
    weight[index.d / 2] = 2;
    index.set_query_map(weight, random.normal(index.d));
    test::Exact<float> x(random.normal(n * index.d));
    index.add(n, x.data());
    return index;
}

using Results = std::vector<test::Results<float>>;

/// into buffers of exact size
static Results search(
        const IndexSDC& index,
        const std::vector<float>& x,
        idx_t k,
        const faiss::SearchParameters& params) {
    const idx_t nq = x.size() / index.d;
    test::Exact<float> queries(x);
    test::Exact<float> distances(nq * k);
    test::Exact<idx_t> labels(nq * k);
    index.search(
            nq, queries.data(), k, distances.data(), labels.data(), &params);
    Results results(nq);
    for (idx_t i = 0; i < nq * k; i++) {
        results[i / k].emplace_back(distances[i], labels[i]);
    }
    return results;
}

/// results of two passes against those of one for all documents
static void check_results(
        const IndexSDC& index,
        const Results& all,
        const Results& found,
        idx_t nfound) {
    const bool is_ip = index.metric_type == METRIC_INNER_PRODUCT;
    for (size_t q = 0; q < all.size(); q++) {
        std::map<idx_t, float> distance_of;
        for (const auto& [distance, id] : all[q]) {
            distance_of[id] = distance;
        }
        for (size_t i = 0; i < found[q].size(); i++) {
            const auto [distance, id] = found[q][i];
            if (idx_t(i) >= nfound) {
                CHECK_EQUAL(id, idx_t(-1));
                CHECK_EQUAL(distance, is_ip ? -FLT_MAX : FLT_MAX);
                continue;
            }
            CHECK_EQUAL(distance_of.count(id), size_t(1));
            CHECK_EQUAL(distance, distance_of[id]);
            distance_of.erase(id); // an id comes once
            if (i > 0) {
                const float before = found[q][i - 1].first;
                CHECK(is_ip ? distance <= before : distance >= before);
                CHECK(distance != before || id > found[q][i - 1].second);
            }
        }
    }
}

TEST(distances_are_those_of_one_pass) {
    test::Digest digest;
    for (const std::vector<int>& widths : kShapes) {
        for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
            const IndexSDC index = make_index(widths, metric, 700);
            const std::vector<float> x = test::Random(8).normal(5 * index.d);
            const Results all = test::run_search<float>(index, x, 5, 700);
            const int nplanes = index.sdc.layout.nplanes();
            for (int first_nbits = 1; first_nbits <= nplanes; first_nbits++) {
                const Note note("d", index.d, "first_nbits", first_nbits);
                SearchParametersSDC params;
                params.first_nbits = first_nbits;
                params.k_factor = 3.5f;
                const Results found = search(index, x, 20, params);
                check_results(index, all, found, 20);
                for (const auto& one : found) {
                    digest.add(one);
                }
                for (int nthreads : {1, 3}) {
                    const test::Threads threads(nthreads);
                    CHECK(search(index, x, 20, params) == found);
                }
                // a single query has the same results as one among others
                const std::vector<float> last(x.end() - index.d, x.end());
                CHECK(search(index, last, 20, params)[0] == found[4]);
            }
        }
    }
    digest.print();
}

TEST(all_candidates_make_one_pass) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        const IndexSDC index = make_index({72, 72, 24}, metric, 100);
        const std::vector<float> x = test::Random(9).normal(3 * 72);
        SearchParametersSDC params;
        for (float k_factor : {9.9f, 10.0f, 11.0f, 1e30f, FLT_MAX}) {
            params.k_factor = k_factor;
            const Results found = search(index, x, 10, params);
            const Results exact = test::run_search<float>(index, x, 3, 10);
            // 99 of 100 candidates leave out one that is far
            CHECK(found == exact);
        }
    }
}

TEST(selectors_and_padding) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        const IndexSDC index = make_index({72, 24}, metric, 600);
        const std::vector<float> x = test::Random(10).normal(4 * 72);
        const Results all = test::run_search<float>(index, x, 4, 600);
        test::StepSelector sel(50, 600);
        SearchParametersSDC params;
        params.sel = &sel;
        params.k_factor = 4;
        const Results found = search(index, x, 30, params);
        check_results(index, all, found, 12);
        for (const auto& one : found) {
            for (int i = 0; i < 12; i++) {
                CHECK_EQUAL(one[i].second % 50, 0);
            }
        }
        test::StepSelector none(1, 0);
        params.sel = &none;
        check_results(index, all, search(index, x, 30, params), 0);
    }
}

TEST(extreme_queries) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        IndexSDC index({24, 24}, metric);
        const std::vector<float> x = test::Random(11).normal(50 * 24);
        index.add(50, x.data());
        SearchParametersSDC params;
        params.k_factor = 2;
        const float smallest = std::numeric_limits<float>::denorm_min();
        for (float top : {0.0f, smallest, 200 * smallest, 1.0f, 1e15f}) {
            const Note note("largest value", top);
            std::vector<float> query(24, 0.0f);
            query[3] = top;
            query[5] = -top;
            const Results all = test::run_search<float>(index, query, 1, 50);
            check_results(index, all, search(index, query, 9, params), 9);
        }
        std::vector<float> bad(24, 1.0f);
        bad[7] = NAN;
        CHECK_THROWS(search(index, bad, 9, params));
    }
}

// A norm that only overflows with all planes: one pass leaves such documents
// out.
TEST(distances_that_overflow_in_the_second_pass) {
    IndexSDC index({24, 24}, METRIC_L2);
    index.set_query_map(
            std::vector<float>(24, 2e36f), std::vector<float>(24, 0.0f));
    std::vector<float> x(20 * 24, 1.9f);            // V = 3 in all dimensions
    std::fill(x.begin(), x.begin() + 2 * 24, 0.4f); // and V = 1
    index.add(20, x.data());
    const std::vector<float> query(24, 1e-18f);
    const Results all = test::run_search<float>(index, query, 1, 20);
    SearchParametersSDC params;
    params.k_factor = 2;
    const Results found = search(index, query, 6, params);
    check_results(index, all, found, 2);
    CHECK_EQUAL(all[0][2].second, idx_t(-1));
}

struct OtherParameters : faiss::SearchParameters {};

TEST(impossible_parameters_are_refused) {
    const IndexSDC index = make_index({72, 24}, METRIC_L2, 60);
    const std::vector<float> x = test::Random(12).normal(72);
    for (float k_factor : {0.0f, 0.99f, -1.0f, NAN, INFINITY}) {
        SearchParametersSDC params;
        params.k_factor = k_factor;
        CHECK_THROWS(search(index, x, 3, params));
        faiss::RangeSearchResult found(1);
        CHECK_THROWS(index.range_search(1, x.data(), 1.0f, &found, &params));
    }
    for (int first_nbits : {0, -1, 3, 8}) {
        SearchParametersSDC params;
        params.first_nbits = first_nbits;
        CHECK_THROWS(search(index, x, 3, params));
    }
    CHECK_THROWS(search(index, x, 3, OtherParameters()));
    IndexSDC with_defaults = index;
    with_defaults.k_factor = 0.5f;
    CHECK_THROWS(search(with_defaults, x, 3, faiss::SearchParameters()));
}
