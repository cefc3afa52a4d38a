#include "indexes/block_scan.h"

#include "indexes/best_entries.h"
#include "indexes/parallel_for.h"
#include "indexes/result_entries.h"
#include "indexes/scan_threads.h"
#include "kernels/SDCKernels.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/IDSelector.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace faiss_bebr {

namespace {

/// the k best of the documents seen
template <class Key>
struct TopK : BestEntries<FlatEntry<Key>> {
    // blocks come in ascending order of their ids, so later ones of the same
    // key are no better
    Key threshold() {
        this->tighten();
        return this->is_full() ? this->get_largest_key()
                               : std::numeric_limits<Key>::max();
    }
    void add(Key key, idx_t id) {
        BestEntries<FlatEntry<Key>>::add({key, id});
    }
    size_t get_num_results() const {
        return this->k;
    }
};

/// all documents below a fixed radius
template <class Key>
struct InRange {
    Key radius;
    std::vector<std::pair<idx_t, Key>> found;

    Key threshold() const {
        return radius;
    }
    void add(Key key, idx_t id) {
        found.emplace_back(id, key);
    }
    size_t get_num_results() const {
        return 0; // the threshold is there from the beginning
    }
    void merge(const InRange& later) {
        found.insert(found.end(), later.found.begin(), later.found.end());
    }
};

/** The least thresholds that threads with other documents have found so far, of
 * each query. A document whose key is no less is none of the best.
 */
template <class Key>
struct SharedThresholds {
    explicit SharedThresholds(size_t nq) : least(nq) {
        for (std::atomic<Key>& one : least) {
            one = std::numeric_limits<Key>::max();
        }
    }

    /** Tells the others a threshold.
     * @return  what is sure to be no less than a key that is still of use: one
     *          of another thread's documents may have the same key and a larger
     *          id
     */
    Key exchange(size_t q, Key own) {
        Key seen = least[q].load(std::memory_order_relaxed);
        while (own < seen &&
               !least[q].compare_exchange_weak(
                       seen, own, std::memory_order_relaxed)) {
        }
        return std::min(own, get_next(seen));
    }

   private:
    std::vector<std::atomic<Key>> least;

    static float get_next(float key) {
        return std::nextafter(key, std::numeric_limits<float>::max());
    }
    static int32_t get_next(int32_t key) {
        return key < std::numeric_limits<int32_t>::max() ? key + 1 : key;
    }
};

/// the share of one thread
struct Slice {
    size_t q0, q1;
    idx_t i0, i1;
};

template <class Key>
std::vector<Slice> make_slices(const ScanTask<Key>& task) {
    const size_t nt = std::max(omp_get_max_threads(), 1);
    std::vector<Slice> slices;
    // below this many queries a thread, documents are shared out instead: a
    // block is then loaded once and not once a thread
    constexpr size_t least = 128;
    if (task.nq >= nt * least) {
        for (size_t t = 0; t < nt; t++) {
            slices.push_back(
                    {task.nq * t / nt, task.nq * (t + 1) / nt, 0, task.ntotal});
        }
        return slices;
    }
    const idx_t nblocks =
            (task.ntotal + task.block_size - 1) / idx_t(task.block_size);
    const idx_t parts = std::max<idx_t>(1, std::min<idx_t>(nt, nblocks));
    for (idx_t t = 0; t < parts; t++) {
        const idx_t begin = nblocks * t / parts * task.block_size;
        const idx_t end = nblocks * (t + 1) / parts * task.block_size;
        slices.push_back({0, task.nq, begin, std::min(end, task.ntotal)});
    }
    return slices;
}

/// The scan of one thread.
template <class Key, class Sink>
struct SliceScan {
    const ScanTask<Key>& task;
    const Slice& slice;
    ScanInterrupt& interrupt;
    SharedThresholds<Key>* shared; ///< nullptr: no other has the queries
    Sink* sinks;                   ///< one for each query of the slice

    SliceScan(
            const ScanTask<Key>& task_in,
            const Slice& slice_in,
            ScanInterrupt& interrupt_in,
            SharedThresholds<Key>* shared_in,
            Sink* sinks_in)
            : task(task_in),
              slice(slice_in),
              interrupt(interrupt_in),
              shared(shared_in),
              sinks(sinks_in),
              hits(new uint32_t[get_room()]),
              keys(new Key[get_room()]),
              sparse_from(task.seen_before_sparse * sinks->get_num_results()) {}

    void run() {
        size_t nseen = 0;
        for (idx_t i = slice.i0; i < slice.i1 && !interrupt.happened;) {
            const bool is_sparse =
                    task.make_sparse_block && nseen >= sparse_from;
            // thresholds fall fast at first
            const size_t size = is_sparse
                    ? std::min(
                              task.sparse_block_size,
                              std::max(nseen, task.block_size))
                    : task.block_size;
            i = take_documents(i, size);
            if (ndocuments == 0) {
                continue; // the selector has no more
            }
            nseen += ndocuments;
            scan_block(get_block(is_sparse));
            if (is_sparse && !sparse_block->is_worth_it()) {
                sparse_from = 2 * nseen;
            }
        }
    }

   private:
    // made when they are used
    std::unique_ptr<DocumentBlock<Key>> block;
    std::unique_ptr<DocumentBlock<Key>> sparse_block;
    size_t ndocuments = 0;  ///< of the block
    idx_t first = 0;        ///< of them, without a selector
    std::vector<idx_t> ids; ///< of them, with one
    // not set to zeros, as few are used
    std::unique_ptr<uint32_t[]> hits;
    std::unique_ptr<Key[]> keys;
    size_t ntiles = 0;
    size_t sparse_from; ///< how many documents are seen before sparse blocks

    DocumentBlock<Key>& get_block(bool is_sparse) {
        std::unique_ptr<DocumentBlock<Key>>& own =
                is_sparse ? sparse_block : block;
        if (!own) {
            own = is_sparse ? task.make_sparse_block() : task.make_block();
        }
        return *own;
    }

    /// documents of a block, at most
    size_t get_room() const {
        return std::max(task.block_size, task.sparse_block_size);
    }

    /// up to n documents from i on; returns where the next ones begin
    idx_t take_documents(idx_t i, size_t n) {
        if (!task.sel) {
            first = i;
            ndocuments = std::min<size_t>(n, slice.i1 - i);
            return i + ndocuments;
        }
        ids.clear();
        for (; i < slice.i1 && ids.size() < n; i++) {
            if (task.sel->is_member(i)) {
                ids.push_back(i);
            }
        }
        ndocuments = ids.size();
        return i;
    }

    /// compare the queries with the documents
    void scan_block(DocumentBlock<Key>& loaded) {
        if (task.sel) {
            loaded.load(ids.data(), ndocuments);
        } else {
            loaded.load_range(first, ndocuments);
        }
        const size_t nblocks = ndocuments / task.block_size + 1;
        for (size_t q0 = slice.q0; q0 < slice.q1; q0 += kQueryTile) {
            if (interrupt.check(ntiles, nblocks)) {
                return;
            }
            const size_t nq = std::min(kQueryTile, slice.q1 - q0);
            Key thresholds[kQueryTile];
            for (size_t i = 0; i < nq; i++) {
                thresholds[i] = get_threshold(q0 + i);
            }
            loaded.compute(q0, nq, thresholds);
            for (size_t i = 0; i < nq; i++) {
                collect(loaded, q0 + i, thresholds[i]);
            }
        }
    }

    Key get_threshold(size_t q) {
        const Key own = sinks[q - slice.q0].threshold();
        return shared ? shared->exchange(q, own) : own;
    }

    void collect(DocumentBlock<Key>& loaded, size_t q, Key threshold) {
        Sink& sink = sinks[q - slice.q0];
        const size_t nhits =
                loaded.collect(q, threshold, hits.get(), keys.get());
        for (size_t h = 0; h < nhits; h++) {
            if (hits[h] < ndocuments) {
                sink.add(keys[h], task.sel ? ids[hits[h]] : first + hits[h]);
            }
        }
    }
};

/** Scan everything into sinks that start as copies of `empty`.
 * @return  one for each query
 */
template <class Key, class Sink>
std::vector<Sink> scan(const ScanTask<Key>& task, const Sink& empty) {
    if (task.nq == 0) {
        return {};
    }
    const std::vector<Slice> slices = make_slices(task);
    // slices of queries fill one part each, slices of documents all of it
    const bool by_documents = slices.back().q0 == 0;
    const size_t nparts = by_documents ? slices.size() : 1;
    std::vector<std::vector<Sink>> parts(
            nparts, std::vector<Sink>(task.nq, empty));

    ScanInterrupt interrupt(
            task.ops_per_pair * task.block_size *
            std::min(kQueryTile, task.nq));
    // a radius does not change
    const bool shares = nparts > 1 && empty.get_num_results() > 0;
    SharedThresholds<Key> shared(shares ? task.nq : 0);
    run_on_threads(slices.size(), [&](size_t s) {
        Sink* sinks = parts[by_documents ? s : 0].data() + slices[s].q0;
        SliceScan<Key, Sink>(
                task, slices[s], interrupt, shares ? &shared : nullptr, sinks)
                .run();
    });
    interrupt.throw_if_happened();
    for (size_t part = 1; part < nparts; part++) {
        for (size_t q = 0; q < task.nq; q++) {
            parts[0][q].merge(parts[part][q]);
        }
    }
    return std::move(parts[0]);
}

} // namespace

size_t get_block_size(size_t bytes_per_document) {
    const size_t n = (size_t(128) << 10) / bytes_per_document;
    return std::max<size_t>(n / kGroup * kGroup, kGroup);
}

template <class Key>
void scan_knn(const ScanTask<Key>& task, idx_t k, Key* keys, idx_t* ids) {
    TopK<Key> empty;
    empty.k = k;
    std::vector<TopK<Key>> found = scan(task, empty);
    parallel_for(task.nq, 100, [&](idx_t q) {
        const auto& best = found[q].sort();
        for (idx_t rank = 0; rank < k; rank++) {
            const bool any = rank < idx_t(best.size());
            keys[q * k + rank] =
                    any ? best[rank].key : std::numeric_limits<Key>::max();
            ids[q * k + rank] = any ? best[rank].id : -1;
        }
    });
}

template <class Key>
void scan_range(
        const ScanTask<Key>& task,
        Key radius,
        const std::function<float(Key)>& output,
        faiss::RangeSearchResult* result) {
    std::vector<InRange<Key>> found = scan(task, InRange<Key>{radius, {}});
    for (size_t q = 0; q < task.nq; q++) {
        auto& own = found[q].found;
        if (!std::is_sorted(own.begin(), own.end())) {
            std::sort(own.begin(), own.end());
        }
        result->lims[q] = own.size();
    }
    result->do_allocation();
    for (size_t q = 0; q < task.nq; q++) {
        size_t offset = result->lims[q];
        for (const auto& [id, key] : found[q].found) {
            result->distances[offset] = output(key);
            result->labels[offset++] = id;
        }
    }
}

template void scan_knn(const ScanTask<float>&, idx_t, float*, idx_t*);
template void scan_knn(const ScanTask<int32_t>&, idx_t, int32_t*, idx_t*);
template void scan_range(
        const ScanTask<float>&,
        float,
        const std::function<float(float)>&,
        faiss::RangeSearchResult*);
template void scan_range(
        const ScanTask<int32_t>&,
        int32_t,
        const std::function<float(int32_t)>&,
        faiss::RangeSearchResult*);

} // namespace faiss_bebr
