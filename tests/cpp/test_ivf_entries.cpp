// Changes of inverted lists that fail half-way.

#include "ivf_checks.h"

#include <atomic>
#include <unordered_map>

using faiss::METRIC_L2;
using faiss_bebr::IndexIVFSDC;
using test::Filled;
using test::idx_t;
using test::kNlist;
using test::Shape;

/// Throws at the n-th time that entries are added.
struct FailingLists : faiss::ArrayInvertedLists {
    std::atomic<int> time{0};
    int fail_at = 0;
    bool resizes = true;

    FailingLists(size_t nlist_in, size_t code_size_in)
            : ArrayInvertedLists(nlist_in, code_size_in) {}
    size_t add_entry(
            size_t list_no,
            idx_t id,
            const uint8_t* code,
            void* context) override {
        CHECK(context != nullptr);
        return add_entries(list_no, 1, &id, code);
    }
    size_t add_entries(
            size_t list_no,
            size_t n_entry,
            const idx_t* ids,
            const uint8_t* code) override {
        FAISS_THROW_IF_NOT_MSG(++time != fail_at, "no space left");
        return ArrayInvertedLists::add_entries(list_no, n_entry, ids, code);
    }
    void resize(size_t list_no, size_t new_size) override {
        FAISS_THROW_IF_NOT_MSG(resizes, "read-only");
        ArrayInvertedLists::resize(list_no, new_size);
    }
};

/// entries and map of an index
struct Unchanged {
    const IndexIVFSDC& index;
    idx_t ntotal;
    std::vector<idx_t> array;
    std::unordered_map<idx_t, idx_t> hashtable;
    std::vector<std::vector<idx_t>> ids;
    std::vector<std::vector<uint8_t>> codes;

    explicit Unchanged(const IndexIVFSDC& index_in)
            : index(index_in),
              ntotal(index_in.ntotal),
              array(index_in.direct_map.array),
              hashtable(index_in.direct_map.hashtable) {
        for (size_t i = 0; i < index.nlist; i++) {
            const faiss::InvertedLists& lists = *index.invlists;
            const size_t n = lists.list_size(i);
            ids.emplace_back(lists.get_ids(i), lists.get_ids(i) + n);
            codes.emplace_back(
                    lists.get_codes(i),
                    lists.get_codes(i) + n * lists.code_size);
        }
    }
    void check() const {
        const Unchanged now(index);
        CHECK(ntotal == now.ntotal && ids == now.ids && codes == now.codes);
        CHECK(array == now.array && hashtable == now.hashtable);
    }
};

TEST(adding_is_undone_when_lists_fail) {
    const Shape shape = {{72, 72, 24}, METRIC_L2, true};
    for (auto map_type :
         {faiss::DirectMap::NoMap,
          faiss::DirectMap::Array,
          faiss::DirectMap::Hashtable}) {
        for (void* context : {static_cast<void*>(nullptr), (void*)&shape}) {
            Filled filled(shape, 0);
            FailingLists lists(kNlist, filled.index.code_size);
            filled.index.replace_invlists(&lists);
            filled.index.set_direct_map_type(map_type);
            const std::vector<float> x = test::Random(5).normal(200 * 72);
            std::vector<idx_t> list_nos(200);
            filled.quantizer.assign(200, x.data(), list_nos.data());
            const auto add = [&]() {
                filled.index.add_core(
                        200, x.data(), nullptr, list_nos.data(), context);
            };
            add();
            const Unchanged unchanged(filled.index);
            for (int fail_at = 1; fail_at <= int(kNlist); fail_at++) {
                lists.time = 0;
                lists.fail_at = fail_at;
                CHECK_THROWS(add());
                unchanged.check();
            }
            lists.fail_at = 0;
            add();
            CHECK_EQUAL(filled.index.ntotal, 400);
            CHECK_EQUAL(lists.compute_ntotal(), size_t(400));
        }
    }
}

TEST(merging_is_undone_when_lists_fail) {
    const Shape shape = {{72, 72, 24}, METRIC_L2, false};
    Filled to(shape, 50);
    Filled from(shape, 60);
    FailingLists lists(kNlist, to.index.code_size);
    const Unchanged to_unchanged(to.index);
    {
        FailingLists fixed(kNlist, to.index.code_size);
        Filled source(shape, 0);
        source.index.replace_invlists(&fixed);
        source.index.add(60, from.x.data());
        const Unchanged unchanged(source.index);
        fixed.resizes = false;
        CHECK_THROWS(to.index.merge_from(source.index, 50));
        to_unchanged.check();
        unchanged.check();
    }
    Filled target(shape, 0);
    target.index.replace_invlists(&lists);
    const Unchanged empty(target.index);
    const Unchanged unchanged(from.index);
    for (int fail_at = 1; fail_at <= int(kNlist); fail_at++) {
        lists.time = 0;
        lists.fail_at = fail_at;
        CHECK_THROWS(target.index.merge_from(from.index, 0));
        empty.check();
        unchanged.check();
    }
    lists.fail_at = 0;
    target.index.merge_from(from.index, 7);
    CHECK_EQUAL(target.index.ntotal, 60);
    CHECK_EQUAL(from.index.ntotal, 0);
    CHECK_EQUAL(from.index.invlists->compute_ntotal(), size_t(0));
}
