// IndexBinarySDC against a loop over the bits of codes.

#include "index_checks.h"
#include "indexes/IndexBinarySDC.h"
#include "indexes/IndexSDC.h"

#include <array>
#include <climits>
#include <tuple>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexBinarySDC;
using test::idx_t;
using test::Note;

static const faiss::MetricType kMetrics[] = {METRIC_L2, METRIC_INNER_PRODUCT};

/// results as the index gives them: distances, ids
using Results = std::vector<test::Results<int32_t>>;

/** All distances, the best first and ties by id.
 * @param codes  those of the index
 */
static Results search_by_loop(
        const IndexBinarySDC& index,
        const std::vector<uint8_t>& codes,
        const std::vector<uint8_t>& x,
        idx_t nq,
        const faiss::IDSelector* sel = nullptr) {
    const std::vector<int> widths(index.nbits, index.d / index.nbits);
    const bool is_ip = index.metric_type == METRIC_INNER_PRODUCT;
    const auto read = is_ip ? test::read_values : test::read_levels;
    std::vector<std::vector<int>> queries;
    for (idx_t q = 0; q < nq; q++) {
        queries.push_back(read(widths, x.data() + q * index.code_size));
    }
    Results results(nq);
    for (idx_t i = 0; i < idx_t(codes.size()) / index.code_size; i++) {
        if (sel && !sel->is_member(i)) {
            continue;
        }
        const std::vector<int> doc =
                read(widths, codes.data() + i * index.code_size);
        for (idx_t q = 0; q < nq; q++) {
            int64_t sum = 0;
            for (size_t j = 0; j < doc.size(); j++) {
                const int difference = queries[q][j] - doc[j];
                sum += is_ip ? queries[q][j] * doc[j] : difference * difference;
            }
            CHECK_EQUAL(sum, int64_t(int32_t(sum)));
            results[q].emplace_back(int32_t(sum), i);
        }
    }
    for (auto& one : results) {
        std::sort(one.begin(), one.end(), [is_ip](auto a, auto b) {
            return a.first == b.first ? a.second < b.second
                                      : (a.first < b.first) != is_ip;
        });
    }
    return results;
}

/// the k best of full results, padded as the index does
static Results take(const IndexBinarySDC& index, const Results& all, idx_t k) {
    const bool is_ip = index.metric_type == METRIC_INNER_PRODUCT;
    Results results = all;
    for (auto& one : results) {
        one.resize(k, {is_ip ? INT_MIN : INT_MAX, -1});
    }
    return results;
}

/// those within the radius, by id
static Results take_range(
        const IndexBinarySDC& index,
        const Results& all,
        int radius) {
    const bool is_ip = index.metric_type == METRIC_INNER_PRODUCT;
    Results results(all.size());
    for (size_t q = 0; q < all.size(); q++) {
        for (const auto& [distance, id] : all[q]) {
            if (is_ip ? distance > radius : distance < radius) {
                // the distances of a range search are floats
                results[q].emplace_back(
                        static_cast<int32_t>(static_cast<float>(distance)), id);
            }
        }
        std::sort(results[q].begin(), results[q].end(), [](auto a, auto b) {
            return a.second < b.second;
        });
    }
    return results;
}

static void check_searches(
        const IndexBinarySDC& index,
        const std::vector<uint8_t>& codes,
        idx_t nq,
        const faiss::IDSelector* sel,
        const std::vector<int>& thread_counts = {1, 2}) {
    const Note note("m", index.layout.dim(), "nbits", index.nbits);
    const Note more("metric", index.metric_type, "n", index.ntotal, "nq", nq);
    test::Random random(7);
    const std::vector<uint8_t> x = random.bytes(nq * index.code_size);
    const Results all = search_by_loop(index, codes, x, nq, sel);
    const int middle =
            all.empty() || all[0].empty() ? 0 : all[0][all[0].size() / 2].first;
    for (int nthreads : thread_counts) {
        const Note note("threads", nthreads);
        const test::Threads threads(nthreads);
        for (idx_t k : {idx_t(1), idx_t(10), index.ntotal + 5}) {
            CHECK(test::run_search<int32_t>(index, x, nq, k, sel) ==
                  take(index, all, k));
        }
        for (int radius : {middle, middle + 1, 0, INT_MIN, INT_MAX}) {
            CHECK(test::run_range_search<int32_t>(index, x, nq, radius, sel) ==
                  take_range(index, all, radius));
        }
    }
}

static IndexBinarySDC make_index(
        int m,
        int nbits,
        faiss::MetricType metric,
        const std::vector<uint8_t>& codes) {
    IndexBinarySDC index(m * nbits, nbits, metric);
    test::Exact<uint8_t> x(codes);
    index.add(codes.size() / index.code_size, x.data());
    CHECK_EQUAL(index.ntotal, idx_t(codes.size()) / index.code_size);
    return index;
}

static const std::vector<std::pair<int, int>> kShapes = {
        {8, 1},
        {24, 1},
        {64, 1},
        {72, 1},
        {264, 1},
        {8, 2},
        {24, 3},
        {72, 4},
        {64, 6},
        {136, 8},
        {264, 5}};

TEST(searches_of_all_shapes) {
    for (auto [m, nbits] : kShapes) {
        for (faiss::MetricType metric : kMetrics) {
            for (idx_t n : {0, 1, 15, 17, 100}) {
                test::Random random(static_cast<uint32_t>(m + nbits));
                const std::vector<uint8_t> codes =
                        random.bytes(n * m * nbits / 8);
                const IndexBinarySDC index =
                        make_index(m, nbits, metric, codes);
                for (idx_t nq : {1, 3, 13}) {
                    check_searches(index, codes, nq, nullptr);
                }
            }
        }
    }
}

// More documents than a block has, queries enough to be shared out, many ties.
TEST(searches_over_several_blocks) {
    for (auto [m, nbits, n, nq] :
         {std::array{8, 1, 40000, 3},
          std::array{8, 2, 40000, 3},
          std::array{264, 3, 1200, 3},
          std::array{264, 1, 9000, 2},
          std::array{264, 1, 9000, 13},
          std::array{264, 3, 1200, 5},
          std::array{24, 2, 300, 170}}) {
        for (faiss::MetricType metric : kMetrics) {
            test::Random random(3);
            const std::vector<uint8_t> codes = random.bytes(n * m * nbits / 8);
            const IndexBinarySDC index = make_index(m, nbits, metric, codes);
            check_searches(index, codes, nq, nullptr, {1, 2, 5});
        }
    }
}

TEST(searches_with_selectors) {
    test::Random random(4);
    for (auto [m, nbits] : {std::pair(72, 1), std::pair(72, 3)}) {
        for (faiss::MetricType metric : kMetrics) {
            const std::vector<uint8_t> codes =
                    random.bytes(6000 * m * nbits / 8);
            const IndexBinarySDC index = make_index(m, nbits, metric, codes);
            for (const test::StepSelector& sel :
                 {test::StepSelector(1, 0),
                  test::StepSelector(1, 1),
                  test::StepSelector(7, 100000),
                  test::StepSelector(5999, 100000)}) {
                check_searches(index, codes, 3, &sel);
            }
        }
    }
}

// The largest distances of 32768 dimensions of 8 bits come near 2^31.
TEST(extreme_distances_fit) {
    const int m = faiss_bebr::PlaneLayout::max_dim;
    for (int nbits : {1, 2, 8}) {
        std::vector<uint8_t> codes(2 * m * nbits / 8, 0);
        std::fill(codes.begin(), codes.begin() + codes.size() / 2, 0xff);
        for (faiss::MetricType metric : kMetrics) {
            const IndexBinarySDC index = make_index(m, nbits, metric, codes);
            const Note note("nbits", nbits, "metric", metric);
            const Results all = search_by_loop(index, codes, codes, 2);
            CHECK(test::run_search<int32_t>(index, codes, 2, 3) ==
                  take(index, all, 3));
        }
    }
}

TEST(digest_of_results) {
    test::Random random(8);
    test::Digest digest;
    for (auto [m, nbits] : kShapes) {
        for (faiss::MetricType metric : kMetrics) {
            const int code_size = m * nbits / 8;
            const IndexBinarySDC index = make_index(
                    m, nbits, metric, random.bytes(2000 * code_size));
            const std::vector<uint8_t> x = random.bytes(9 * code_size);
            for (const auto& one : test::run_search<int32_t>(index, x, 9, 50)) {
                digest.add(one);
            }
        }
    }
    digest.print();
}

TEST(codes_come_back) {
    test::Random random(5);
    const std::vector<uint8_t> codes = random.bytes(100 * 27);
    IndexBinarySDC index = make_index(72, 3, METRIC_L2, codes);
    CHECK_EQUAL(index.sa_code_size(), size_t(27));
    test::Exact<uint8_t> one(27);
    test::Exact<uint8_t> some(10 * 27);
    for (idx_t i = 0; i < 100; i++) {
        index.reconstruct(i, one.data());
        CHECK(std::memcmp(one.data(), codes.data() + i * 27, 27) == 0);
    }
    index.reconstruct_n(90, 10, some.data());
    CHECK(std::memcmp(some.data(), codes.data() + 90 * 27, 270) == 0);
    index.reconstruct_n(0, 0, nullptr);
    index.reconstruct_n(100, 0, nullptr);

    index.add_sa_codes(10, some.data(), nullptr);
    index.reconstruct(105, one.data());
    CHECK(std::memcmp(one.data(), codes.data() + 95 * 27, 27) == 0);
    index.add(0, nullptr);
    index.search(0, nullptr, 3, nullptr, nullptr);
    CHECK_EQUAL(index.ntotal, idx_t(110));
    index.reset();
    CHECK_EQUAL(index.ntotal, idx_t(0));
    CHECK_EQUAL(index.codes.size(), size_t(0));
}

TEST(reconstruct_refuses_other_ids) {
    test::Random random(5);
    const IndexBinarySDC index =
            make_index(72, 3, METRIC_L2, random.bytes(100 * 27));
    test::Exact<uint8_t> out(27);
    for (idx_t id : {idx_t(-1), idx_t(100), idx_t(1) << 40, idx_t(INT64_MIN)}) {
        CHECK_THROWS(index.reconstruct(id, out.data()));
    }
    CHECK_THROWS(index.reconstruct_n(99, 2, out.data()));
    CHECK_THROWS(index.reconstruct_n(0, -1, out.data()));
    CHECK_THROWS(IndexBinarySDC(72, 1, METRIC_L2).reconstruct(0, out.data()));
}

// id + n leaves int64
TEST(reconstruct_refuses_the_largest_id) {
    test::Random random(5);
    const IndexBinarySDC index =
            make_index(72, 3, METRIC_L2, random.bytes(100 * 27));
    test::Exact<uint8_t> out(27);
    CHECK_THROWS(index.reconstruct(INT64_MAX, out.data()));
    CHECK_THROWS(index.reconstruct_n(1, INT64_MAX, out.data()));
}

TEST(remove_ids_keeps_the_others_in_order) {
    test::Random random(6);
    const std::vector<uint8_t> codes = random.bytes(100 * 9);
    for (const test::StepSelector& sel :
         {test::StepSelector(1, 0),
          test::StepSelector(1, 100),
          test::StepSelector(3, 100),
          test::StepSelector(1, 50),
          test::StepSelector(99, 100)}) {
        IndexBinarySDC index = make_index(72, 1, METRIC_L2, codes);
        std::vector<uint8_t> kept;
        for (idx_t i = 0; i < 100; i++) {
            if (!sel.is_member(i)) {
                const auto code = codes.begin() + i * 9;
                kept.insert(kept.end(), code, code + 9);
            }
        }
        const size_t nremoved = index.remove_ids(sel);
        CHECK_EQUAL(nremoved, (codes.size() - kept.size()) / 9);
        CHECK_EQUAL(index.ntotal, idx_t(kept.size() / 9));
        CHECK(test::get_codes(index) == kept);
        check_searches(index, kept, 2, nullptr);
    }
}

TEST(merge_from_moves_the_other) {
    test::Random random(9);
    std::vector<uint8_t> codes = random.bytes(30 * 18);
    const std::vector<uint8_t> more = random.bytes(40 * 18);
    IndexBinarySDC index = make_index(72, 2, METRIC_L2, codes);
    IndexBinarySDC other = make_index(72, 2, METRIC_L2, more);
    index.merge_from(other);
    codes.insert(codes.end(), more.begin(), more.end());
    CHECK(test::get_codes(index) == codes);
    CHECK_EQUAL(other.ntotal, idx_t(0));
    check_searches(index, codes, 2, nullptr);
    check_searches(other, {}, 2, nullptr);
}

TEST(errors_leave_the_index_unchanged) {
    test::Random random(10);
    IndexBinarySDC index = make_index(72, 2, METRIC_L2, random.bytes(30 * 18));
    const test::Unchanged<IndexBinarySDC> unchanged(index);
    const std::vector<uint8_t> x = random.bytes(18);
    CHECK_THROWS(test::run_search<int32_t>(index, x, 1, 0));
    CHECK_THROWS(index.search(1, x.data(), -1, nullptr, nullptr));
    CHECK_THROWS(index.add(-1, x.data()));
    CHECK_THROWS(index.add_sa_codes(-1, x.data(), nullptr));
    CHECK_THROWS(index.merge_from(index));
    for (auto [m, nbits, metric] :
         {std::tuple(72, 2, METRIC_INNER_PRODUCT),
          std::tuple(144, 1, METRIC_L2),
          std::tuple(72, 1, METRIC_L2)}) {
        IndexBinarySDC other = make_index(m, nbits, metric, x);
        const test::Unchanged<IndexBinarySDC> other_unchanged(other);
        CHECK_THROWS(index.merge_from(other));
        CHECK_THROWS(index.check_compatible_for_merge(other));
        other_unchanged.check();
    }
    IndexBinarySDC same(144, 2);
    CHECK_THROWS(index.merge_from(same, 5));
    unchanged.check();
}

TEST(mapped_codes_are_read_only) {
    test::Random random(12);
    const std::vector<uint8_t> codes = random.bytes(30 * 18);
    IndexBinarySDC owned = make_index(72, 2, METRIC_L2, codes);
    IndexBinarySDC mapped(144, 2);
    test::Exact<uint8_t> file(codes);
    test::view_codes(mapped, file.data(), 30);
    check_searches(mapped, codes, 2, nullptr);
    const IndexBinarySDC copy(mapped);
    CHECK_EQUAL(copy.codes.data(), mapped.codes.data());
    test::check_read_only(mapped, owned);
}

TEST(constructor_refuses_impossible_shapes) {
    CHECK_THROWS(IndexBinarySDC(64, 0));
    CHECK_THROWS(IndexBinarySDC(72, 9));
    CHECK_THROWS(IndexBinarySDC(64, -1));
    CHECK_THROWS(IndexBinarySDC(0, 1));
    CHECK_THROWS(IndexBinarySDC(-64, 1));
    CHECK_THROWS(IndexBinarySDC(12, 1));
    CHECK_THROWS(IndexBinarySDC(24, 2));
    CHECK_THROWS(IndexBinarySDC(2 * 32776, 2));
    CHECK_THROWS(IndexBinarySDC((idx_t(1) << 32) + 64, 1));
    CHECK_THROWS(IndexBinarySDC(64, 1, faiss::METRIC_L1));
}

TEST(searches_can_be_interrupted) {
    test::Random random(11);
    for (auto [nbits, n, nq] :
         {std::tuple(1, 100000, 800), std::tuple(2, 20000, 150)}) {
        const int code_size = 264 * nbits / 8;
        const IndexBinarySDC index =
                make_index(264, nbits, METRIC_L2, random.bytes(n * code_size));
        const std::vector<uint8_t> x = random.bytes(nq * code_size);
        const Results before = test::run_search<int32_t>(index, x, nq, 5);
        for (int nthreads : {1, 2}) {
            const Note note("nbits", nbits, "threads", nthreads);
            const test::Threads threads(nthreads);
            test::check_interrupts([&, nq = nq]() {
                CHECK(test::run_search<int32_t>(index, x, nq, 5) == before);
            });
            test::check_interrupts([&, nq = nq]() {
                test::run_range_search<int32_t>(index, x, nq, 3);
            });
        }
    }
}
