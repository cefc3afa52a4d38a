#include "indexes/block_scan.h"

#include "indexes/best_entries.h"
#include "indexes/scan_threads.h"
#include "kernels/SDCKernels.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/IDSelector.h>
#include <omp.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace faiss_bebr {

namespace {

/// the k best of the documents seen, by (key, id)
template <class Key>
struct TopK : BestEntries<std::pair<Key, idx_t>> {
    // ids come in ascending order, so later ones of the same key are no better
    Key threshold() const {
        return this->is_full() ? this->worst().first
                               : std::numeric_limits<Key>::max();
    }
    void add(Key key, idx_t id) {
        BestEntries<std::pair<Key, idx_t>>::add({key, id});
    }
};

/// all documents below a fixed radius
template <class Key>
struct InRange {
    Key radius;
    std::vector<std::pair<Key, idx_t>> found;

    Key threshold() const {
        return radius;
    }
    void add(Key key, idx_t id) {
        found.emplace_back(key, id);
    }
    void merge(const InRange& later) {
        found.insert(found.end(), later.found.begin(), later.found.end());
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
    if (task.nq >= nt * kMinQueriesPerThread) {
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

/// the working memory of one thread
template <class Key>
struct Workspace {
    std::unique_ptr<DocumentBlock<Key>> block;
    std::vector<idx_t> ids;
    std::vector<int32_t> dots;
    std::vector<uint32_t> hits;
    std::vector<Key> keys;

    explicit Workspace(const ScanTask<Key>& task)
            : block(task.make_block()),
              dots(kQueryTile * task.block_size),
              hits(task.block_size),
              keys(task.block_size) {
        ids.reserve(task.block_size);
    }
};

/** Compare the queries of a slice with the documents in work.ids.
 * @param ntiles  counts the tiles of this thread
 */
template <class Key, class Sink>
void scan_block(
        Workspace<Key>& work,
        const Slice& slice,
        ScanInterrupt& interrupt,
        size_t& ntiles,
        Sink* sinks) {
    const size_t n = work.ids.size();
    const size_t padded = (n + kGroup - 1) / kGroup * kGroup;
    work.block->load(work.ids.data(), n);
    for (size_t q0 = slice.q0; q0 < slice.q1; q0 += kQueryTile) {
        if (interrupt.check(++ntiles)) {
            return;
        }
        const size_t nq = std::min(kQueryTile, slice.q1 - q0);
        work.block->compute(q0, nq, work.dots.data());
        for (size_t q = q0; q < q0 + nq; q++) {
            Sink& sink = sinks[q - slice.q0];
            const size_t nhits = work.block->collect(
                    q,
                    work.dots.data() + (q - q0) * padded,
                    sink.threshold(),
                    work.hits.data(),
                    work.keys.data());
            for (size_t h = 0; h < nhits && work.hits[h] < n; h++) {
                sink.add(work.keys[h], work.ids[work.hits[h]]);
            }
        }
    }
}

/// @param sinks  one for each query of the slice
template <class Key, class Sink>
void scan_slice(
        const ScanTask<Key>& task,
        const Slice& slice,
        ScanInterrupt& interrupt,
        Sink* sinks) {
    Workspace<Key> work(task);
    size_t ntiles = 0;
    for (idx_t i = slice.i0; i < slice.i1 && !interrupt.happened;) {
        work.ids.clear();
        for (; i < slice.i1 && work.ids.size() < task.block_size; i++) {
            if (!task.sel || task.sel->is_member(i)) {
                work.ids.push_back(i);
            }
        }
        scan_block(work, slice, interrupt, ntiles, sinks);
    }
}

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

    ScanInterrupt interrupt(task.ops_per_pair * task.block_size * kQueryTile);
    run_on_threads(slices.size(), [&](size_t s) {
        Sink* sinks = parts[by_documents ? s : 0].data();
        scan_slice(task, slices[s], interrupt, sinks + slices[s].q0);
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
    for (size_t q = 0; q < task.nq; q++) {
        found[q].sort();
        const auto& heap = found[q].heap;
        for (idx_t rank = 0; rank < k; rank++) {
            const bool any = rank < idx_t(heap.size());
            keys[q * k + rank] =
                    any ? heap[rank].first : std::numeric_limits<Key>::max();
            ids[q * k + rank] = any ? heap[rank].second : -1;
        }
    }
}

template <class Key>
void scan_range(
        const ScanTask<Key>& task,
        Key radius,
        const std::function<float(Key)>& output,
        faiss::RangeSearchResult* result) {
    const std::vector<InRange<Key>> found =
            scan(task, InRange<Key>{radius, {}});
    for (size_t q = 0; q < task.nq; q++) {
        result->lims[q] = found[q].found.size();
    }
    result->do_allocation();
    for (size_t q = 0; q < task.nq; q++) {
        size_t offset = result->lims[q];
        for (const auto& entry : found[q].found) {
            result->distances[offset] = output(entry.first);
            result->labels[offset++] = entry.second;
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
