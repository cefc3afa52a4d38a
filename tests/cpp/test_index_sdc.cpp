// IndexSDC against a loop in double precision.

#include "index_checks.h"
#include "indexes/IndexBinarySDC.h"
#include "indexes/IndexSDC.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/ResultHandler.h>

#include <cfloat>
#include <cmath>
#include <limits>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexSDC;
using test::idx_t;
using test::Note;

static const faiss::MetricType kMetrics[] = {METRIC_L2, METRIC_INNER_PRODUCT};

/// results as the index gives them: distances, ids
using Results = std::vector<test::Results<float>>;

static bool is_ip(const IndexSDC& index) {
    return index.metric_type == METRIC_INNER_PRODUCT;
}

/// weights with a zero, and offsets
static void set_random_map(IndexSDC& index, test::Random& random) {
    std::vector<float> weight(index.d);
    for (float& w : weight) {
        w = static_cast<float>(random.integer(1, 40)) / 10;
    }
    weight[index.d / 2] = 0;
    index.set_query_map(weight, random.normal(index.d));
}

static IndexSDC make_index(
        const std::vector<int>& widths,
        faiss::MetricType metric,
        idx_t n,
        uint32_t seed = 1) {
    IndexSDC index(widths, metric);
    test::Random random(seed);
    if (seed % 2 == 1) {
        set_random_map(index, random);
    }
    test::Exact<float> x(random.normal(n * index.d));
    index.add(n, x.data());
    CHECK_EQUAL(index.ntotal, n);
    return index;
}

/// decoded vectors, read from the bytes of codes
static std::vector<double> decode_by_loop(
        const IndexSDC& index,
        const uint8_t* codes,
        idx_t n) {
    const std::vector<int>& widths = index.sdc.layout.plane_widths;
    const double unit = std::ldexp(1.0, 1 - int(widths.size()));
    std::vector<double> decoded;
    for (idx_t i = 0; i < n; i++) {
        const uint8_t* code = codes + i * index.code_size;
        uint16_t half;
        std::memcpy(&half, code + test::get_planes_size(widths), 2);
        for (int value : test::read_values(widths, code)) {
            decoded.push_back(test::read_float16(half) * unit * value);
        }
    }
    return decoded;
}

/// the distance that search() stands for, of a level-quantized query
static double get_distance(
        const IndexSDC& index,
        const float* q,
        const double* doc) {
    double sum = 0;
    for (int j = 0; j < index.d; j++) {
        const double difference = q[j] - doc[j];
        sum += is_ip(index)
                ? q[j] * doc[j]
                : index.sdc.query_weight[j] * difference * difference;
    }
    return sum;
}

/** Every result has the distance of the loop, they are in order, and no
 * document is missing or there twice.
 * @param results  of as many neighbours as there are documents
 */
static void check_full_results(
        const IndexSDC& index,
        const std::vector<float>& x,
        const Results& results) {
    const std::vector<double> docs =
            decode_by_loop(index, index.codes.data(), index.ntotal);
    const idx_t nq = results.size();
    std::vector<float> q(nq * index.d);
    index.quantize_queries(nq, x.data(), q.data());
    for (idx_t i = 0; i < nq; i++) {
        std::vector<bool> seen(index.ntotal, false);
        for (size_t rank = 0; rank < results[i].size(); rank++) {
            const auto [distance, id] = results[i][rank];
            const Note note("query", i, "id", id);
            CHECK(id >= 0 && id < index.ntotal && !seen[id]);
            seen[id] = true;
            const double expected = get_distance(
                    index, q.data() + i * index.d, &docs[id * index.d]);
            // sums of about d terms in float
            const double bound = 1e-5 * (index.d + std::fabs(expected));
            const Note values("distance", distance, "for", expected);
            CHECK(std::fabs(distance - expected) <= bound);
            if (rank > 0) {
                const auto [previous, previous_id] = results[i][rank - 1];
                CHECK(is_ip(index) ? previous >= distance
                                   : previous <= distance);
                CHECK(previous != distance || distance == 0 ||
                      previous_id < id);
            }
        }
        CHECK_EQUAL(results[i].size(), seen.size());
    }
}

/// the best of full results that a selector takes, padded as the index does
static Results take(
        const IndexSDC& index,
        const Results& all,
        size_t k,
        const faiss::IDSelector* sel) {
    Results results(all.size());
    for (size_t q = 0; q < all.size(); q++) {
        for (const auto& one : all[q]) {
            if (results[q].size() < k && (!sel || sel->is_member(one.second))) {
                results[q].push_back(one);
            }
        }
        results[q].resize(k, {is_ip(index) ? -FLT_MAX : FLT_MAX, -1});
    }
    return results;
}

static Results take_range(
        const IndexSDC& index,
        const Results& all,
        float radius,
        const faiss::IDSelector* sel) {
    Results results(all.size());
    for (size_t q = 0; q < all.size(); q++) {
        for (const auto& one : all[q]) {
            const bool is_near =
                    is_ip(index) ? one.first > radius : one.first < radius;
            if (is_near && (!sel || sel->is_member(one.second))) {
                results[q].push_back(one);
            }
        }
        std::sort(results[q].begin(), results[q].end(), [](auto a, auto b) {
            return a.second < b.second;
        });
    }
    return results;
}

struct CollectingHandler : faiss::ResultHandler {
    test::Results<float> found;

    bool add_result(float distance, idx_t id) override {
        found.emplace_back(distance, id);
        return false;
    }
};

/// search1 has the bits of search: all that is better than a threshold
static void check_search1(
        const IndexSDC& index,
        const std::vector<float>& x,
        const Results& all,
        float threshold,
        const faiss::IDSelector* sel) {
    faiss::SearchParameters params;
    params.sel = const_cast<faiss::IDSelector*>(sel);
    const Results expected = take_range(index, all, threshold, sel);
    for (size_t q = 0; q < all.size(); q++) {
        CollectingHandler handler;
        handler.threshold = threshold;
        index.search1(x.data() + q * index.d, handler, sel ? &params : nullptr);
        CHECK(handler.found == expected[q]);
    }
}

TEST(search1_refuses_what_search_refuses) {
    const IndexSDC index = make_index({24, 24}, faiss::METRIC_L2, 9);
    std::vector<float> x(24, 1.0f);
    CollectingHandler handler;
    x[5] = NAN;
    CHECK_THROWS(index.search1(x.data(), handler));
    x[5] = INFINITY;
    CHECK_THROWS(index.search1(x.data(), handler));
    CHECK(handler.found.empty());
}

static void check_distance_computer(
        const IndexSDC& index,
        const std::vector<float>& x,
        const Results& all) {
    const std::unique_ptr<faiss::DistanceComputer> computer(
            index.get_distance_computer());
    for (size_t q = 0; q < all.size(); q++) {
        test::Exact<float> query(
                std::vector<float>(
                        x.begin() + q * index.d,
                        x.begin() + (q + 1) * index.d));
        computer->set_query(query.data());
        for (const auto& [distance, id] : all[q]) {
            CHECK_EQUAL((*computer)(id), distance);
        }
        for (size_t rank = 0; rank + 4 <= all[q].size(); rank += 4) {
            const auto* four = all[q].data() + rank;
            float out[4];
            computer->distances_batch_4(
                    four[0].second,
                    four[1].second,
                    four[2].second,
                    four[3].second,
                    out[0],
                    out[1],
                    out[2],
                    out[3]);
            for (int r = 0; r < 4; r++) {
                CHECK_EQUAL(out[r], four[r].first);
            }
        }
    }
    const std::vector<double> docs =
            decode_by_loop(index, index.codes.data(), index.ntotal);
    for (idx_t i = 0; i < index.ntotal; i += 7) {
        for (idx_t j = 0; j < index.ntotal; j += 5) {
            double sum = 0;
            for (int t = 0; t < index.d; t++) {
                const double a = docs[i * index.d + t];
                const double b = docs[j * index.d + t];
                const double w = index.sdc.query_weight[t];
                sum += is_ip(index) ? (w * a + index.sdc.query_offset[t]) * b
                                    : w * (a - b) * (a - b);
            }
            const Note note("documents", i, j, "distance", sum);
            const double bound = 1e-5 * (index.d + std::fabs(sum));
            CHECK(std::fabs(computer->symmetric_dis(i, j) - sum) <= bound);
        }
    }
}

static void check_searches(
        const IndexSDC& index,
        const std::vector<float>& x,
        const std::vector<int>& thread_counts = {1, 2}) {
    const Note note("d", index.d, "planes", index.sdc.layout.nplanes());
    const Note more("metric", index.metric_type, "n", index.ntotal);
    const idx_t nq = x.size() / index.d;
    const idx_t n = index.ntotal;
    const Results all =
            test::run_search<float>(index, x, nq, std::max<idx_t>(n, 1));
    if (n > 0) {
        check_full_results(index, x, all);
    }
    const test::StepSelector none(1, 0);
    const test::StepSelector some(7, 1000000);
    const float middle = n > 0 ? all[0][n / 2].first : 0.0f;
    const float infinity = std::numeric_limits<float>::infinity();
    const Results found = n > 0 ? all : Results(nq);
    for (int nthreads : thread_counts) {
        const Note count("threads", nthreads);
        const test::Threads threads(nthreads);
        for (const faiss::IDSelector* sel :
             {static_cast<const faiss::IDSelector*>(nullptr),
              static_cast<const faiss::IDSelector*>(&none),
              static_cast<const faiss::IDSelector*>(&some)}) {
            for (idx_t k : {idx_t(1), idx_t(10), n + 5}) {
                CHECK(test::run_search<float>(index, x, nq, k, sel) ==
                      take(index, found, k, sel));
            }
            for (float radius : {middle, 0.0f, -infinity, infinity}) {
                CHECK(test::run_range_search<float>(
                              index, x, nq, radius, sel) ==
                      take_range(index, found, radius, sel));
            }
        }
    }
    for (float threshold : {middle, is_ip(index) ? -infinity : infinity}) {
        check_search1(index, x, found, threshold, nullptr);
        check_search1(index, x, found, threshold, &some);
    }
    check_distance_computer(index, x, found);
}

static const std::vector<std::vector<int>> kShapes = {
        {8},
        {24, 24},
        {72, 72, 72},
        {64, 64, 64, 64},
        {136, 72, 24},
        {264, 264, 136, 128, 72, 64, 32, 8},
        {8, 8, 8, 8, 8, 8, 8, 8}};

TEST(searches_of_all_shapes) {
    for (const std::vector<int>& widths : kShapes) {
        for (faiss::MetricType metric : kMetrics) {
            for (idx_t n : {0, 1, 15, 17, 100}) {
                for (uint32_t seed : {1, 2}) {
                    const IndexSDC index = make_index(widths, metric, n, seed);
                    check_searches(index, test::Random(3).normal(5 * index.d));
                }
            }
        }
    }
}

// More documents than a block has, queries enough to be shared out, many ties.
TEST(searches_over_several_blocks) {
    for (faiss::MetricType metric : kMetrics) {
        const IndexSDC wide = make_index({264, 136}, metric, 1300);
        check_searches(wide, test::Random(4).normal(3 * 264), {1, 2, 5});
        const IndexSDC shared_out = make_index({24, 24}, metric, 300);
        check_searches(shared_out, test::Random(5).normal(170 * 24), {1, 2, 5});
        const IndexSDC deep = make_index({8}, metric, 36000, 2);
        const std::vector<float> x = test::Random(6).normal(2 * 8);
        const Results all = test::run_search<float>(deep, x, 2, 36000);
        check_full_results(deep, x, all);
        for (int nthreads : {1, 2, 5}) {
            const test::Threads threads(nthreads);
            CHECK(test::run_search<float>(deep, x, 2, 500) ==
                  take(deep, all, 500, nullptr));
        }
    }
}

TEST(digest_of_results) {
    test::Digest digest;
    for (const std::vector<int>& widths : kShapes) {
        for (faiss::MetricType metric : kMetrics) {
            for (uint32_t seed : {1, 2}) {
                const IndexSDC index = make_index(widths, metric, 500, seed);
                const std::vector<float> x =
                        test::Random(6).normal(9 * index.d);
                for (const auto& one :
                     test::run_search<float>(index, x, 9, 50)) {
                    digest.add(one);
                }
            }
        }
    }
    digest.print();
}

TEST(queries_are_rounded_to_a_grid_of_their_own) {
    for (faiss::MetricType metric : kMetrics) {
        const IndexSDC index = make_index({72, 24}, metric, 0);
        const std::vector<float> x = test::Random(7).normal(20 * 72);
        test::Exact<float> q(x.size());
        index.quantize_queries(20, x.data(), q.data());
        for (int i = 0; i < 20; i++) {
            double top = 0;
            std::vector<double> mapped(72);
            for (int j = 0; j < 72; j++) {
                mapped[j] = double(index.sdc.query_weight[j]) * x[i * 72 + j] +
                        (is_ip(index) ? index.sdc.query_offset[j] : 0.0f);
                top = std::max(top, std::fabs(mapped[j]));
            }
            for (int j = 0; j < 72; j++) {
                const double weight = index.sdc.query_weight[j];
                const bool divided = !is_ip(index) && weight > 0;
                const double value = q[i * 72 + j] * (divided ? weight : 1.0);
                CHECK(std::fabs(value - mapped[j]) <= top / 254 * 1.001);
            }
        }
    }
}

// Half a step of these queries is no float, or their product with a weight.
TEST(tiny_and_huge_queries_keep_to_their_grid) {
    const float smallest = std::numeric_limits<float>::denorm_min();
    for (faiss::MetricType metric : kMetrics) {
        const IndexSDC index = make_index({24, 24}, metric, 40, 2);
        for (float top :
             {smallest, 50 * smallest, 200 * smallest, FLT_MIN, 1e30f}) {
            const Note note("largest value", top, "metric", metric);
            std::vector<float> x(24, 0.0f);
            x[3] = top;
            x[5] = -top;
            std::vector<float> q(24);
            index.quantize_queries(1, x.data(), q.data());
            for (int j = 0; j < 24; j++) {
                CHECK(std::isfinite(q[j]) && std::fabs(q[j]) <= 1.01 * top);
            }
            test::run_search<float>(index, x, 1, 5);
        }
        test::run_search<float>(index, std::vector<float>(24, 0.0f), 1, 5);
    }
}

TEST(queries_that_overflow_in_the_map_are_refused) {
    IndexSDC index(24, 2, METRIC_INNER_PRODUCT);
    index.set_query_map(
            std::vector<float>(24, 10.0f), std::vector<float>(24, 0.0f));
    std::vector<float> x(24, 1.0f);
    x[4] = FLT_MAX;
    CHECK_THROWS(test::run_search<float>(index, x, 1, 5));
}
