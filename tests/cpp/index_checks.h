#pragma once

// What the tests of both index types share.

#include "check.h"
#include "test_data.h"

#include <faiss/Index.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/maybe_owned_vector.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

namespace test {

/// results of one query, the best first
template <class Distance>
using Results = std::vector<std::pair<Distance, idx_t>>;

/// A hash of results, which test_cpp.py compares between SIMD levels.
struct Digest {
    uint64_t hash = 14695981039346656037u; // FNV-1a

    template <class T>
    void add_value(T value) {
        uint8_t bytes[sizeof(T)];
        std::memcpy(bytes, &value, sizeof(T));
        for (uint8_t byte : bytes) {
            hash = (hash ^ byte) * 1099511628211u;
        }
    }
    template <class Distance>
    void add(const Results<Distance>& results) {
        for (const auto& [distance, id] : results) {
            add_value(distance);
            add_value(id);
        }
    }
    void print() const {
        std::printf("%016llx ", static_cast<unsigned long long>(hash));
    }
};

/// search() of an index into buffers of exact size
template <class Distance, class Index, class X>
std::vector<Results<Distance>> run_search(
        const Index& index,
        const std::vector<X>& x,
        idx_t nq,
        idx_t k,
        const faiss::IDSelector* sel = nullptr) {
    faiss::SearchParameters params;
    params.sel = const_cast<faiss::IDSelector*>(sel);
    Exact<X> queries(x);
    Exact<Distance> distances(nq * k);
    Exact<idx_t> labels(nq * k);
    index.search(
            nq,
            queries.data(),
            k,
            distances.data(),
            labels.data(),
            sel ? &params : nullptr);
    std::vector<Results<Distance>> results(nq);
    for (idx_t i = 0; i < nq * k; i++) {
        results[i / k].emplace_back(distances[i], labels[i]);
    }
    return results;
}

template <class Distance, class Index, class X, class Radius>
std::vector<Results<Distance>> run_range_search(
        const Index& index,
        const std::vector<X>& x,
        idx_t nq,
        Radius radius,
        const faiss::IDSelector* sel = nullptr) {
    faiss::SearchParameters params;
    params.sel = const_cast<faiss::IDSelector*>(sel);
    Exact<X> queries(x);
    faiss::RangeSearchResult found(nq);
    index.range_search(
            nq, queries.data(), radius, &found, sel ? &params : nullptr);
    std::vector<Results<Distance>> results(nq);
    for (idx_t q = 0; q < nq; q++) {
        for (size_t i = found.lims[q]; i < found.lims[q + 1]; i++) {
            results[q].emplace_back(
                    static_cast<Distance>(found.distances[i]), found.labels[i]);
        }
    }
    return results;
}

/// Counts how often a search asks, and stops it from a given time on.
struct CountingInterrupt : faiss::InterruptCallback {
    int* count;
    int stop_at;

    CountingInterrupt(int* count_in, int stop_at_in)
            : count(count_in), stop_at(stop_at_in) {}
    bool want_interrupt() override {
        return ++*count >= stop_at;
    }
};

/** A long computation throws at the first and at the second question of an
 * interrupt callback, and nothing remains of it.
 */
template <class Work>
void check_interrupts(const Work& work) {
    for (int stop_at : {1, 2, 1000000}) {
        const Note note("stop at question", stop_at);
        int count = 0;
        faiss::InterruptCallback::instance =
                std::make_unique<CountingInterrupt>(&count, stop_at);
        bool has_thrown = false;
        try {
            work();
        } catch (const faiss::FaissException&) {
            has_thrown = true;
        }
        faiss::InterruptCallback::clear_instance();
        CHECK_EQUAL(has_thrown, stop_at < 1000000);
        CHECK(has_thrown ? count == stop_at : count >= 2);
    }
    work();
}

template <class Index>
std::vector<uint8_t> get_codes(const Index& index) {
    const uint8_t* codes = index.codes.data();
    return std::vector<uint8_t>(codes, codes + index.codes.size());
}

/// what changes no index: the number of vectors and the codes
template <class Index>
struct Unchanged {
    const Index& index;
    idx_t ntotal;
    std::vector<uint8_t> codes;

    explicit Unchanged(const Index& index_in)
            : index(index_in),
              ntotal(index_in.ntotal),
              codes(get_codes(index_in)) {}
    void check() const {
        CHECK_EQUAL(index.ntotal, ntotal);
        CHECK(get_codes(index) == codes);
    }
};

/// Makes the n codes of a file, which outlives the index, those of the index.
template <class Index>
void view_codes(Index& index, uint8_t* file, idx_t n) {
    index.codes = faiss::MaybeOwnedVector<uint8_t>::create_view(
            file, n * index.code_size, nullptr);
    index.ntotal = n;
}

/** Nothing changes codes that are a view; they can only be forgotten.
 * @param owned  an index of the same shape
 */
template <class Index>
void check_read_only(Index& mapped, Index& owned) {
    const Unchanged<Index> mapped_unchanged(mapped);
    const Unchanged<Index> owned_unchanged(owned);
    const std::vector<uint8_t> file = get_codes(mapped);
    uint8_t* view = mapped.codes.data();
    const std::vector<uint8_t> fresh(mapped.code_size);
    CHECK_THROWS(mapped.add_sa_codes(1, fresh.data(), nullptr));
    CHECK_THROWS(mapped.remove_ids(StepSelector(2, 100)));
    CHECK_THROWS(mapped.merge_from(owned));
    mapped_unchanged.check();
    owned_unchanged.check();
    CHECK_EQUAL(mapped.codes.data(), view);

    const size_t before = owned.codes.size();
    owned.merge_from(mapped);
    CHECK_EQUAL(mapped.ntotal, idx_t(0));
    CHECK(mapped.codes.is_owned && mapped.codes.size() == 0);
    CHECK(std::equal(file.begin(), file.end(), owned.codes.data() + before));
    mapped.add_sa_codes(1, fresh.data(), nullptr);
    CHECK_EQUAL(mapped.ntotal, idx_t(1));
    CHECK(std::equal(file.begin(), file.end(), view));
}

} // namespace test
