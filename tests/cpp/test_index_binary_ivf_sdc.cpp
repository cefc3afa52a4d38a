// IndexBinaryIVFSDC against IndexBinarySDC: with all lists it is the same, with
// some of them what is in these.

#include "index_checks.h"
#include "indexes/IndexBinaryIVFSDC.h"
#include "indexes/IndexBinarySDC.h"

#include <climits>
#include <memory>
#include <set>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexBinaryIVFSDC;
using faiss_bebr::IndexBinarySDC;
using test::idx_t;
using test::Note;

using Results = std::vector<test::Results<int32_t>>;

static const faiss::MetricType kMetrics[] = {METRIC_L2, METRIC_INNER_PRODUCT};

static const std::vector<std::pair<int, int>> kShapes =
        {{8, 1}, {72, 1}, {264, 1}, {24, 3}, {72, 4}, {136, 8}, {264, 2}};

/// An index with its quantizer, and a flat one of the same codes.
struct Indexes {
    std::vector<uint8_t> codes;
    IndexBinarySDC quantizer;
    IndexBinaryIVFSDC ivf;
    IndexBinarySDC flat;

    Indexes(int m, int nbits, faiss::MetricType metric, idx_t n, idx_t nlist)
            : codes(test::Random(3).bytes((n + nlist) * m * nbits / 8)),
              quantizer(make_quantizer(m, nbits, nlist)),
              ivf(&quantizer, m * nbits, nlist, nbits, metric),
              flat(m * nbits, nbits, metric) {
        codes.resize(n * ivf.code_size);
        test::Exact<uint8_t> x(codes);
        ivf.add(n, x.data());
        flat.add(n, x.data());
        CHECK_EQUAL(ivf.ntotal, n);
    }

    IndexBinarySDC make_quantizer(int m, int nbits, idx_t nlist) const {
        IndexBinarySDC index(m * nbits, nbits);
        index.add(nlist, codes.data() + codes.size() - nlist * m * nbits / 8);
        return index;
    }

    std::vector<uint8_t> queries(idx_t nq) const {
        return test::Random(5).bytes(nq * ivf.code_size);
    }
};

/// The ids in some lists.
struct ListSelector : faiss::IDSelector {
    std::set<idx_t> ids;

    ListSelector(const IndexBinaryIVFSDC& index, const idx_t* lists, size_t n) {
        for (size_t i = 0; i < n; i++) {
            const size_t size = index.get_list_size(lists[i]);
            const faiss::InvertedLists::ScopedIds one(index.invlists, lists[i]);
            ids.insert(one.ids, one.ids + size);
        }
    }
    bool is_member(idx_t id) const override {
        return ids.count(id) > 0;
    }
};

static void check_same(const Indexes& one, idx_t nq) {
    const std::vector<uint8_t> x = one.queries(nq);
    const idx_t n = one.flat.ntotal;
    for (idx_t k : {idx_t(1), idx_t(10), n + 3}) {
        CHECK(test::run_search<int32_t>(one.ivf, x, nq, k) ==
              test::run_search<int32_t>(one.flat, x, nq, k));
    }
    const int middle =
            test::run_search<int32_t>(one.flat, x, 1, n / 2)[0].back().first;
    for (int radius : {middle, INT_MIN, INT_MAX}) {
        CHECK(test::run_range_search<int32_t>(one.ivf, x, nq, radius) ==
              test::run_range_search<int32_t>(one.flat, x, nq, radius));
    }
}

TEST(all_lists_are_the_flat_index) {
    for (auto [m, nbits] : kShapes) {
        for (faiss::MetricType metric : kMetrics) {
            Indexes one(m, nbits, metric, 150, 7);
            one.ivf.nprobe = 7;
            for (int nthreads : {1, 2, 5}) {
                const Note note("m", m, "nbits", nbits, "threads", nthreads);
                const test::Threads threads(nthreads);
                for (idx_t nq : {1, 13}) {
                    check_same(one, nq);
                }
            }
        }
    }
}

// Lists of several blocks, and queries enough to be shared out.
TEST(searches_over_several_blocks) {
    for (auto [nbits, n, nq] :
         {std::array{1, 20000, 3}, std::array{3, 3000, 3}, {2, 400, 170}}) {
        for (faiss::MetricType metric : kMetrics) {
            Indexes one(264, nbits, metric, n, 3);
            one.ivf.nprobe = 3;
            for (int nthreads : {1, 2, 5}) {
                const Note note("nbits", nbits, "threads", nthreads);
                const test::Threads threads(nthreads);
                check_same(one, nq);
            }
        }
    }
}

TEST(some_lists_are_a_selection) {
    for (auto [m, nbits] : kShapes) {
        for (faiss::MetricType metric : kMetrics) {
            const Note note("m", m, "nbits", nbits, "metric", metric);
            Indexes one(m, nbits, metric, 300, 9);
            one.ivf.nprobe = 4;
            const std::vector<uint8_t> x = one.queries(5);
            std::vector<idx_t> lists(5 * 4);
            one.quantizer.assign(5, x.data(), lists.data(), 4);
            const Results found = test::run_search<int32_t>(one.ivf, x, 5, 40);
            for (idx_t q = 0; q < 5; q++) {
                const ListSelector sel(one.ivf, lists.data() + 4 * q, 4);
                const auto begin = x.begin() + q * one.ivf.code_size;
                const std::vector<uint8_t> query(
                        begin, begin + one.ivf.code_size);
                CHECK(found[q] ==
                      test::run_search<int32_t>(
                              one.flat, query, 1, 40, &sel)[0]);
            }
        }
    }
}

TEST(selectors) {
    for (int nbits : {1, 2, 3}) {
        Indexes one(72, nbits, METRIC_L2, 6000, 5);
        one.ivf.nprobe = 5;
        // three bits: lists are unpacked for more than four
        constexpr idx_t nq = 5;
        const std::vector<uint8_t> x = one.queries(nq);
        for (const test::StepSelector& sel :
             {test::StepSelector(1, 0),
              test::StepSelector(7, 100000),
              test::StepSelector(5999, 100000)}) {
            CHECK(test::run_search<int32_t>(one.ivf, x, nq, 20, &sel) ==
                  test::run_search<int32_t>(one.flat, x, nq, 20, &sel));
            CHECK(test::run_range_search<int32_t>(one.ivf, x, nq, 60, &sel) ==
                  test::run_range_search<int32_t>(one.flat, x, nq, 60, &sel));
        }
    }
}

TEST(results_come_with_codes) {
    Indexes one(72, 3, METRIC_L2, 200, 7);
    one.ivf.nprobe = 2;
    test::Exact<uint8_t> x(one.queries(4));
    test::Exact<int32_t> distances(4 * 90);
    test::Exact<idx_t> labels(4 * 90);
    test::Exact<uint8_t> codes(4 * 90 * 27);
    one.ivf.search_and_reconstruct(
            4, x.data(), 90, distances.data(), labels.data(), codes.data());
    const std::vector<uint8_t> none(27, 255);
    for (idx_t i = 0; i < 4 * 90; i++) {
        const uint8_t* expected =
                labels[i] < 0 ? none.data() : one.codes.data() + labels[i] * 27;
        CHECK(std::memcmp(codes.data() + i * 27, expected, 27) == 0);
    }
    test::Exact<uint8_t> all(200 * 27);
    one.ivf.reconstruct_n(0, 200, all.data());
    CHECK(std::memcmp(all.data(), one.codes.data(), all.n) == 0);
}

TEST(training_and_changes) {
    for (int nbits : {1, 4}) {
        const Note note("nbits", nbits);
        const Indexes one(24, nbits, METRIC_L2, 400, 1);
        test::Exact<uint8_t> x(one.codes);
        IndexBinarySDC quantizer(24 * nbits, nbits);
        IndexBinaryIVFSDC index(&quantizer, 24 * nbits, 6, nbits);
        CHECK_THROWS(index.add(400, x.data()));
        index.train(400, x.data());
        CHECK_EQUAL(quantizer.ntotal, idx_t(6));
        index.add(400, x.data());
        index.set_direct_map_type(faiss::DirectMap::Hashtable);
        test::Exact<uint8_t> code(3 * nbits);
        index.reconstruct(399, code.data());
        CHECK(std::memcmp(code.data(), x.data() + 399 * 3 * nbits, code.n) ==
              0);
        index.make_direct_map(false);
        CHECK_EQUAL(index.remove_ids(test::StepSelector(3, 300)), size_t(100));
        CHECK_EQUAL(index.ntotal, idx_t(300));
        IndexBinaryIVFSDC other(&quantizer, 24 * nbits, 6, nbits);
        other.add(50, x.data());
        index.merge_from(other, 1000);
        CHECK_EQUAL(index.ntotal, idx_t(350));
        index.nprobe = 6;
        const Results found =
                test::run_search<int32_t>(index, one.queries(2), 2, 400);
        for (const auto& results : found) {
            std::set<idx_t> ids;
            for (const auto& result : results) {
                ids.insert(result.second);
            }
            CHECK_EQUAL(ids.size(), size_t(351)); // with -1
            CHECK(ids.count(0) == 0 && ids.count(1) == 1);
            CHECK(ids.count(1000) == 1 && ids.count(1049) == 1);
        }
    }
}

/// Throws for one id.
struct FailingSelector : faiss::IDSelector {
    bool is_member(idx_t id) const override {
        if (id == 250) {
            throw faiss::FaissException("no");
        }
        return true;
    }
};

TEST(errors_of_selectors_come_out) {
    Indexes one(72, 2, METRIC_L2, 300, 4);
    one.ivf.nprobe = 4;
    const FailingSelector sel;
    for (idx_t nq : {2, 100}) {
        const std::vector<uint8_t> x = one.queries(nq);
        CHECK_THROWS(test::run_search<int32_t>(one.ivf, x, nq, 5, &sel));
        CHECK_THROWS(test::run_range_search<int32_t>(one.ivf, x, nq, 5, &sel));
    }
    CHECK_THROWS(one.ivf.remove_ids(sel));
    check_same(one, 3);
}

TEST(digest_of_results) {
    test::Digest digest;
    for (auto [m, nbits] : kShapes) {
        for (faiss::MetricType metric : kMetrics) {
            Indexes one(m, nbits, metric, 1000, 9);
            one.ivf.nprobe = 3;
            const std::vector<uint8_t> x = one.queries(9);
            for (const auto& results :
                 test::run_search<int32_t>(one.ivf, x, 9, 50)) {
                digest.add(results);
            }
        }
    }
    digest.print();
}

TEST(searches_can_be_interrupted) {
    for (auto [nbits, n, nq] :
         {std::tuple(1, 100000, 800), std::tuple(2, 20000, 100)}) {
        Indexes one(264, nbits, METRIC_L2, n, 3);
        one.ivf.nprobe = 3;
        const std::vector<uint8_t> x = one.queries(nq);
        for (int nthreads : {1, 2}) {
            const Note note("nbits", nbits, "threads", nthreads);
            const test::Threads threads(nthreads);
            test::check_interrupts([&, nq = nq]() {
                test::run_search<int32_t>(one.ivf, x, nq, 5);
            });
            test::check_interrupts([&, nq = nq]() {
                test::run_range_search<int32_t>(one.ivf, x, nq, 3);
            });
        }
    }
}
