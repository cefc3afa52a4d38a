// The scans of IndexIVFSDC on lists that Python cannot make: in memory of exact
// size, and behind iterators.

#include "ivf_checks.h"

#include <faiss/impl/ResultHandler.h>

#include <cmath>
#include <limits>
#include <tuple>

using faiss::METRIC_INNER_PRODUCT;
using test::Exact;
using test::Filled;
using test::get_shapes;
using test::idx_t;
using test::Note;
using test::Shape;

static constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// results as the index gives them: distances, ids
using Results = std::vector<test::Results<float>>;

/// Lists in memory of exact size, as copies of others.
struct ExactLists : faiss::InvertedLists {
    std::vector<std::unique_ptr<Exact<uint8_t>>> codes;
    std::vector<std::unique_ptr<Exact<idx_t>>> ids;

    explicit ExactLists(const faiss::InvertedLists& other)
            : InvertedLists(other.nlist, other.code_size) {
        for (size_t i = 0; i < nlist; i++) {
            const size_t n = other.list_size(i);
            const ScopedCodes from(&other, i);
            const ScopedIds from_ids(&other, i);
            codes.push_back(
                    std::make_unique<Exact<uint8_t>>(std::vector<uint8_t>(
                            from.codes, from.codes + n * code_size)));
            ids.push_back(
                    std::make_unique<Exact<idx_t>>(std::vector<idx_t>(
                            from_ids.ids, from_ids.ids + n)));
        }
    }
    size_t list_size(size_t list_no) const override {
        return ids[list_no]->n;
    }
    const uint8_t* get_codes(size_t list_no) const override {
        return codes[list_no]->data();
    }
    const idx_t* get_ids(size_t list_no) const override {
        return ids[list_no]->data();
    }
    size_t add_entries(size_t, size_t, const idx_t*, const uint8_t*) override {
        FAISS_THROW_MSG("read-only");
    }
    void update_entries(size_t, size_t, size_t, const idx_t*, const uint8_t*)
            override {
        FAISS_THROW_MSG("read-only");
    }
    void resize(size_t, size_t) override {
        FAISS_THROW_MSG("read-only");
    }
};

/// what a scan tells an iterator
using Log = std::vector<std::tuple<char, idx_t, float>>;

/// Has one code at a time, which does not stay.
struct OneByOne : faiss::InvertedListsIterator {
    const faiss::InvertedLists& lists;
    const size_t list_no;
    size_t offset = 0;
    Exact<uint8_t> code;
    Log* log;

    OneByOne(
            const faiss::InvertedLists& lists_in,
            size_t list_no_in,
            Log* log_in)
            : lists(lists_in),
              list_no(list_no_in),
              code(lists_in.code_size),
              log(log_in) {
        has_search_callbacks_ = log != nullptr;
    }
    bool is_available() const override {
        return offset < lists.list_size(list_no);
    }
    void next() override {
        std::memset(code.data(), 0xff, code.n);
        offset++;
    }
    std::pair<idx_t, const uint8_t*> get_id_and_codes() override {
        const uint8_t* stored = lists.get_codes(list_no) + offset * code.n;
        std::memcpy(code.data(), stored, code.n);
        return {lists.get_ids(list_no)[offset], code.data()};
    }
    void on_distance_computed(idx_t id, float distance) override {
        log->emplace_back('d', id, distance);
    }
    void on_heap_changed(idx_t id, idx_t evicted) override {
        log->emplace_back('h', id, static_cast<float>(evicted));
    }
};

struct IteratorLists : ExactLists {
    Log* log = nullptr;

    explicit IteratorLists(const faiss::InvertedLists& other)
            : ExactLists(other) {
        use_iterator = true;
    }
    bool is_empty(size_t list_no, void*) const override {
        return list_size(list_no) == 0;
    }
    faiss::InvertedListsIterator* get_iterator(size_t list_no, void*)
            const override {
        return new OneByOne(*this, list_no, log);
    }
};

TEST(scan_reads_no_more_than_the_lists) {
    for (const Shape& shape : get_shapes()) {
        for (idx_t n : {0, 1, 16, 33, 500}) {
            const Note note("d", shape.widths[0], "n", n);
            Filled filled(shape, n);
            const test::StepSelector sel(3, 1000);
            const Results all = filled.search(20);
            const Results some = filled.search(20, &sel);
            const Results near = filled.range_search(all[0][3].first);
            ExactLists lists(*filled.index.invlists);
            filled.index.replace_invlists(&lists);
            CHECK(filled.search(20) == all);
            CHECK(filled.search(20, &sel) == some);
            CHECK(filled.range_search(all[0][3].first) == near);
        }
    }
}

TEST(iterators_give_the_same_results) {
    for (const Shape& shape : get_shapes()) {
        Filled filled(shape, 600);
        const test::StepSelector some(3, 1000);
        const test::StepSelector none(1, 0);
        IteratorLists lists(*filled.index.invlists);
        for (const faiss::IDSelector* sel :
             {static_cast<const faiss::IDSelector*>(nullptr),
              static_cast<const faiss::IDSelector*>(&some),
              static_cast<const faiss::IDSelector*>(&none)}) {
            faiss::InvertedLists* plain = filled.index.invlists;
            const Results expected = filled.search(20, sel);
            const Results all = filled.search(20);
            const Results near = filled.range_search(all[2][9].first, sel);
            filled.index.own_invlists = false;
            filled.index.replace_invlists(&lists);
            faiss::indexIVF_stats.reset();
            CHECK(filled.search(20, sel) == expected);
            const size_t ndis = faiss::indexIVF_stats.ndis;
            const size_t nheap = faiss::indexIVF_stats.nheap_updates;
            CHECK(filled.range_search(all[2][9].first, sel) == near);

            const test::Threads threads(1);
            Log log;
            lists.log = &log;
            CHECK(filled.search(20, sel) == expected);
            lists.log = nullptr;
            const auto is_distance = [](const auto& entry) {
                return std::get<0>(entry) == 'd';
            };
            const size_t n = std::count_if(log.begin(), log.end(), is_distance);
            CHECK_EQUAL(n, ndis);
            CHECK_EQUAL(log.size() - n, nheap);
            CHECK(sel == &none ? log.empty() : nheap >= 7 * 20);
            filled.index.replace_invlists(plain, true);
        }
    }
}

struct CollectingHandler : faiss::ResultHandler {
    test::Results<float> found;

    bool add_result(float distance, idx_t id) override {
        found.emplace_back(distance, id);
        return found.size() % 2 == 0;
    }
};

TEST(search1_has_the_bits_of_search) {
    for (const Shape& shape : get_shapes()) {
        Filled filled(shape, 300);
        const test::StepSelector some(3, 1000);
        const bool is_ip = shape.metric == METRIC_INNER_PRODUCT;
        for (const faiss::IDSelector* sel :
             {static_cast<const faiss::IDSelector*>(nullptr),
              static_cast<const faiss::IDSelector*>(&some)}) {
            Results all = filled.search(300, sel);
            faiss::SearchParametersIVF params;
            params.nprobe = 3;
            params.sel = const_cast<faiss::IDSelector*>(sel);
            for (size_t q = 0; q < all.size(); q++) {
                CollectingHandler handler;
                handler.threshold = is_ip ? -kInfinity : kInfinity;
                filled.index.search1(
                        filled.queries.data() + q * filled.index.d,
                        handler,
                        &params);
                const auto is_padding = [](const auto& one) {
                    return one.second < 0;
                };
                all[q].erase(
                        std::remove_if(
                                all[q].begin(), all[q].end(), is_padding),
                        all[q].end());
                CHECK_EQUAL(handler.stats.scan_cnt, all[q].size());
                CHECK_EQUAL(handler.stats.nheap_updates, all[q].size() / 2);
                std::sort(all[q].begin(), all[q].end());
                std::sort(handler.found.begin(), handler.found.end());
                CHECK(handler.found == all[q]);
            }
            faiss::SearchParameters bare;
            bare.sel = params.sel;
            CollectingHandler handler;
            handler.threshold = is_ip ? -kInfinity : kInfinity;
            filled.index.search1(filled.queries.data(), handler, &bare);
            std::sort(handler.found.begin(), handler.found.end());
            CHECK(handler.found == all[0]);
        }
    }
}

TEST(scanner_of_places_and_of_queries_that_are_not_finite) {
    for (const Shape& shape : get_shapes()) {
        Filled filled(shape, 200);
        const faiss::InvertedLists& lists = *filled.index.invlists;
        const std::unique_ptr<faiss::InvertedListScanner> scanner(
                filled.index.get_InvertedListScanner(true));
        const bool is_ip = shape.metric == METRIC_INNER_PRODUCT;
        CHECK_EQUAL(scanner->keep_max, is_ip);
        CHECK_EQUAL(scanner->code_size, filled.index.code_size);
        scanner->set_query(filled.queries.data());
        const idx_t list_no = 2;
        scanner->set_list(list_no, 0);
        CollectingHandler handler;
        handler.threshold = is_ip ? -kInfinity : kInfinity;
        const size_t n = lists.list_size(list_no);
        const uint8_t* codes = lists.get_codes(list_no);
        CHECK_EQUAL(scanner->scan_codes(n, codes, nullptr, handler), n / 2);
        CHECK_EQUAL(handler.found.size(), n);
        for (size_t i = 0; i < n; i++) {
            const auto [distance, place] = handler.found[i];
            CHECK_EQUAL(idx_t(faiss::lo_listno(place)), list_no);
            CHECK_EQUAL(faiss::lo_offset(place), i);
            const uint8_t* code = codes + i * filled.index.code_size;
            CHECK_EQUAL(scanner->distance_to_code(code), distance);
        }

        filled.queries[4] = std::nanf("");
        scanner->set_query(filled.queries.data());
        if (shape.by_residual && !is_ip) {
            CHECK_THROWS(scanner->set_list(list_no, 0));
            continue;
        }
        scanner->set_list(list_no, 0);
        handler.found.clear();
        CHECK_EQUAL(scanner->scan_codes(n, codes, nullptr, handler), size_t(0));
        CHECK(handler.found.empty());
        CHECK_EQUAL(
                scanner->distance_to_code(codes),
                is_ip ? -kInfinity : kInfinity);
    }
}

TEST(digest_of_ivf_results) {
    test::Digest digest;
    for (const Shape& shape : get_shapes()) {
        const Filled filled(shape, 400, 9);
        for (const auto& one : filled.search(50)) {
            digest.add(one);
        }
        for (const auto& one :
             filled.range_search(filled.search(9)[0][8].first)) {
            digest.add(one);
        }
    }
    digest.print();
}
