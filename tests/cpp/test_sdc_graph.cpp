// The search of SDCGraph: what faiss::IndexHNSW finds, without a read past the
// codes.

#include "index_checks.h"
#include "indexes/BestCandidates.h"
#include "indexes/IndexSDC.h"
#include "indexes/SDCGraph.h"

#include <algorithm>
#include <cmath>
#include <utility>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::BestCandidates;
using faiss_bebr::IndexSDC;
using faiss_bebr::SDCGraph;
using test::idx_t;
using test::Note;

TEST(best_candidates_are_in_order) {
    test::Random random(3);
    for (size_t capacity : {1, 2, 7, 64}) {
        const Note note("capacity", capacity);
        BestCandidates best(capacity);
        std::vector<std::pair<float, int32_t>> taken;
        for (int32_t id = 0; id < 200; id++) {
            // many are equal; ids that come later are better
            const float key = static_cast<float>(random.integer(0, 30));
            const bool takes =
                    taken.size() < capacity || key < taken[capacity - 1].first;
            CHECK_EQUAL(best.takes(key), takes);
            CHECK(!best.takes(NAN));
            if (!takes) {
                continue;
            }
            taken.resize(std::min(taken.size(), capacity - 1));
            taken.emplace_back(key, -id);
            std::sort(taken.begin(), taken.end());
            const size_t place = best.insert(key, -id);
            CHECK_EQUAL(best.orders[place], -id);
            CHECK_EQUAL(best.marks[place], 0);
            best.marks[place] = 1;
            CHECK_EQUAL(best.size, taken.size());
            for (size_t i = 0; i < taken.size(); i++) {
                CHECK_EQUAL(best.keys[i], taken[i].first);
                CHECK_EQUAL(best.orders[i], taken[i].second);
                CHECK_EQUAL(best.marks[i], 1);
            }
        }
    }
}

/// searches of any effort, one after the other
static std::vector<test::Results<float>> search_all(
        faiss::IndexHNSW& graph,
        const std::vector<float>& queries) {
    std::vector<test::Results<float>> all;
    for (int efSearch : {1, 16, 100}) {
        graph.hnsw.efSearch = efSearch;
        for (idx_t nq : {1, 20}) {
            const std::vector<float> x(
                    queries.begin(), queries.begin() + nq * graph.d);
            for (idx_t k : {1, 30}) {
                for (auto& results : test::run_search<float>(graph, x, nq, k)) {
                    all.push_back(results);
                }
            }
        }
    }
    return all;
}

static void check_graph(
        const std::vector<int>& widths,
        faiss::MetricType metric,
        idx_t n,
        test::Digest& digest) {
    const Note note("planes", widths.size(), "metric", metric, "n", n);
    test::Random random(static_cast<uint32_t>(n));
    IndexSDC storage(widths, metric);
    faiss::IndexHNSW stock(&storage, 4);
    if (n > 0) {
        stock.add(n, random.normal(n * storage.d).data());
    }
    // nothing may be read behind the last code
    test::Exact<uint8_t> codes(
            std::vector<uint8_t>(
                    storage.codes.data(),
                    storage.codes.data() + n * storage.code_size));
    using Codes = decltype(storage.codes);
    storage.codes = Codes::create_view(codes.data(), codes.n, nullptr);

    const std::vector<float> queries = random.normal(20 * storage.d);
    const auto expected = search_all(stock, queries);
    SDCGraph ours(std::move(stock));
    const auto found = search_all(ours, queries);
    CHECK_EQUAL(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); i++) {
        CHECK(found[i] == expected[i]);
        digest.add(found[i]);
    }
}

TEST(graph_finds_what_faiss_finds) {
    test::Digest digest;
    for (const std::vector<int>& widths :
         {std::vector<int>{64, 24},
          std::vector<int>{264, 264, 136},
          std::vector<int>(5, 264),
          std::vector<int>(8, 264)}) {
        for (auto metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
            for (idx_t n : {0, 1, 3, 300}) {
                check_graph(widths, metric, n, digest);
            }
        }
    }
    digest.print();
}
