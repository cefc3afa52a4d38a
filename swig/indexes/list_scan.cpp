#include "indexes/list_scan.h"

#include "indexes/BinaryCodeBlock.h"
#include "indexes/best_entries.h"
#include "indexes/result_entries.h"
#include "indexes/scan_threads.h"
#include "indexes/sort_by_lists.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <omp.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace faiss_bebr {

using faiss::InvertedLists;

namespace {

using Entry = ListEntry<int32_t>;

/// the k best of the entries seen
struct TopK : BestEntries<Entry> {
    // ids come in any order, so entries with the key of the worst may be better
    int32_t threshold() const {
        return is_full() ? get_largest_key() + 1
                         : std::numeric_limits<int32_t>::max();
    }
};

/// all entries below a fixed radius
struct InRange {
    int32_t radius;
    std::vector<std::pair<idx_t, int32_t>> found; ///< ids and keys

    int32_t threshold() const {
        return radius;
    }
    bool add(const Entry& entry) {
        found.emplace_back(entry.id, entry.key);
        return true;
    }
    void merge(const InRange& other) {
        found.insert(found.end(), other.found.begin(), other.found.end());
    }
};

/// A query scans the first `limit` entries of a list.
struct Probe {
    idx_t list_no;
    size_t query;
    size_t limit;
};

/// The probes of the same list, [begin, end).
struct ListProbes {
    const Probe* begin;
    const Probe* end;
    size_t size; ///< the largest of their limits

    /// or its codes are compared as they are
    bool is_unpacked(const ListScanTask& task) const {
        return !BinaryCodeBlock::is_for(task.distance, end - begin);
    }
};

/// The probes of some queries, list by list; of a single one as assigned, for
/// the nearest lists leave few entries of others that are better.
struct Plan {
    std::vector<Probe> probes;
    std::vector<ListProbes> lists;
    size_t ntotal = 0; ///< sum of the lists' sizes
    const size_t first_query;
    BinaryQueries queries; ///< none where no list is unpacked

    Plan(const ListScanTask& task,
         size_t q0,
         size_t q1,
         faiss::IndexIVFStats& stats)
            : first_query(q0) {
        for (size_t q = q0; q < q1; q++) {
            add_query(task, q, stats);
        }
        if (q1 - q0 > 1) {
            probes = sort_by_lists(task.lists.nlist, probes);
        }
        const Probe* end = probes.data() + probes.size();
        for (const Probe* probe = probes.data(); probe < end; probe++) {
            if (lists.empty() ||
                lists.back().begin->list_no != probe->list_no) {
                lists.push_back({probe, probe, 0});
            }
            lists.back().end = probe + 1;
            lists.back().size = std::max(lists.back().size, probe->limit);
        }
        bool any_unpacked = false;
        for (const ListProbes& list : lists) {
            ntotal += list.size;
            any_unpacked = any_unpacked || list.is_unpacked(task);
        }
        if (any_unpacked) {
            const size_t code_size = task.distance.layout.code_size();
            queries = BinaryQueries(
                    task.distance, q1 - q0, task.x + q0 * code_size);
        }
    }

    void add_query(
            const ListScanTask& task,
            size_t q,
            faiss::IndexIVFStats& stats) {
        size_t left = task.max_codes > 0 ? task.max_codes
                                         : std::numeric_limits<size_t>::max();
        for (size_t i = 0; i < task.nprobe && left > 0; i++) {
            const idx_t list_no = task.assign[q * task.nprobe + i];
            if (list_no < 0) {
                continue;
            }
            FAISS_THROW_IF_NOT_FMT(
                    size_t(list_no) < task.lists.nlist,
                    "query %zd probes list %zd of %zd",
                    q,
                    size_t(list_no),
                    task.lists.nlist);
            const size_t limit = std::min(left, task.lists.list_size(list_no));
            if (limit > 0) {
                probes.push_back({list_no, q, limit});
            }
            left -= limit;
            stats.nlist++;
            stats.ndis += limit;
        }
    }
};

/// One thread's scan.
template <class Sink>
struct Scanner {
    const ListScanTask& task;
    const Plan& plan;
    ScanInterrupt& interrupt;
    Sink* sinks; ///< one for each query
    faiss::IndexIVFStats stats;

    Scanner(const ListScanTask& task_in,
            const Plan& plan_in,
            ScanInterrupt& interrupt_in,
            Sink* sinks_in)
            : task(task_in),
              plan(plan_in),
              interrupt(interrupt_in),
              sinks(sinks_in),
              block_size(task.distance.block_size()),
              code_block(task.distance, task.x, nullptr),
              hits(block_size),
              keys(block_size) {
        rows.reserve(block_size);
    }

    /// entries begin .. end - 1 of all those of the plan's lists
    void scan(size_t begin, size_t end) {
        size_t offset = 0;
        for (const ListProbes& list : plan.lists) {
            const size_t j0 = std::max(begin, offset) - offset;
            const size_t j1 = std::min(end - std::min(end, offset), list.size);
            if (j0 < j1) {
                scan_list(list, j0, j1);
            }
            if (interrupt.happened) {
                return;
            }
            offset += list.size;
        }
    }

   private:
    const size_t block_size;
    BinaryCodeBlock code_block;
    std::unique_ptr<BinaryBlock> block; ///< made when it is used
    BinaryQueries tile;      ///< the queries that the block is compared with
    std::vector<idx_t> rows; ///< of the list, which are in the block
    std::vector<uint32_t> hits;
    std::vector<int32_t> keys;
    size_t ntiles = 0;

    /// entries j0 .. j1 - 1
    void scan_list(const ListProbes& list, size_t j0, size_t j1) {
        const idx_t list_no = list.begin->list_no;
        const InvertedLists::ScopedIds ids(&task.lists, list_no);
        const InvertedLists::ScopedCodes codes(&task.lists, list_no);
        const bool is_unpacked = list.is_unpacked(task);
        if (is_unpacked && !block) {
            block = make_binary_block(task.distance, &tile, nullptr);
        }
        (is_unpacked ? block->codes : code_block.codes) = codes.codes;
        for (size_t j = j0; j < j1 && !interrupt.check(ntiles);) {
            rows.clear();
            if (!task.sel) {
                rows.resize(std::min(block_size, j1 - j));
                std::iota(rows.begin(), rows.end(), j);
                j += rows.size();
            }
            for (; task.sel && j < j1 && rows.size() < block_size; j++) {
                if (task.sel->is_member(ids[j])) {
                    rows.push_back(j);
                }
            }
            if (rows.empty()) {
                continue;
            }
            if (is_unpacked) {
                scan_block(list, ids.ids);
            } else {
                scan_codes(list, ids.ids);
            }
        }
    }

    void scan_block(const ListProbes& list, const idx_t* ids) {
        block->load(rows.data(), rows.size());
        for (const Probe* probe = list.begin; probe < list.end;) {
            if (interrupt.check(ntiles)) {
                return;
            }
            const size_t n = std::min<size_t>(kQueryTile, list.end - probe);
            tile.clear();
            for (size_t i = 0; i < n; i++) {
                const size_t q = probe[i].query - plan.first_query;
                tile.append(task.distance, plan.queries, q);
            }
            block->compute(0, n, nullptr);
            for (size_t i = 0; i < n; i++) {
                collect(*block, i, *probe++, ids);
            }
        }
    }

    void scan_codes(const ListProbes& list, const idx_t* ids) {
        code_block.load(rows.data(), rows.size());
        for (const Probe* probe = list.begin; probe < list.end; probe++) {
            // as often as where queries are compared in tiles
            if ((probe - list.begin) % kQueryTile == 0 &&
                interrupt.check(ntiles)) {
                return;
            }
            code_block.compute(probe->query, 1, nullptr);
            collect(code_block, probe->query, *probe, ids);
        }
    }

    /// @param i  the probe's query among those of the block
    void collect(
            DocumentBlock<int32_t>& loaded,
            size_t i,
            const Probe& probe,
            const idx_t* ids) {
        Sink& sink = sinks[probe.query];
        const size_t nhits =
                loaded.collect(i, sink.threshold(), hits.data(), keys.data());
        for (size_t h = 0; h < nhits; h++) {
            if (hits[h] >= rows.size()) {
                continue;
            }
            const size_t row = rows[hits[h]];
            if (row < probe.limit) {
                const idx_t place = faiss::lo_build(probe.list_no, row);
                stats.nheap_updates += sink.add({keys[h], ids[row], place});
            }
        }
    }
};

/// each thread with queries of its own
template <class Sink>
void scan_by_queries(
        const ListScanTask& task,
        ScanInterrupt& interrupt,
        std::vector<Sink>& sinks,
        faiss::IndexIVFStats& stats) {
    const size_t nparts = omp_get_max_threads();
    std::vector<faiss::IndexIVFStats> part_stats(nparts);
    run_on_threads(nparts, [&](size_t p) {
        const size_t q0 = task.nq * p / nparts;
        const size_t q1 = task.nq * (p + 1) / nparts;
        const Plan plan(task, q0, q1, part_stats[p]);
        Scanner<Sink> scanner(task, plan, interrupt, sinks.data());
        scanner.scan(0, plan.ntotal);
        part_stats[p].add(scanner.stats);
    });
    for (const faiss::IndexIVFStats& one : part_stats) {
        stats.add(one);
    }
}

/// each thread with all queries and a part of the entries
template <class Sink>
void scan_by_entries(
        const ListScanTask& task,
        ScanInterrupt& interrupt,
        std::vector<Sink>& sinks,
        faiss::IndexIVFStats& stats) {
    const Plan plan(task, 0, task.nq, stats);
    const size_t nparts = std::min<size_t>(
            omp_get_max_threads(),
            plan.ntotal / task.distance.block_size() + 1);
    std::vector<faiss::IndexIVFStats> part_stats(nparts);
    std::vector<std::vector<Sink>> parts(nparts, sinks);
    run_on_threads(nparts, [&](size_t p) {
        const size_t begin = plan.ntotal * p / nparts;
        const size_t end = plan.ntotal * (p + 1) / nparts;
        Scanner<Sink> scanner(task, plan, interrupt, parts[p].data());
        scanner.scan(begin, end);
        part_stats[p] = scanner.stats;
    });
    for (size_t p = 0; p < nparts; p++) {
        for (size_t q = 0; q < task.nq; q++) {
            sinks[q].merge(parts[p][q]);
        }
        stats.add(part_stats[p]);
    }
}

/// @return  one sink for each query, that started as a copy of `empty`
template <class Sink>
std::vector<Sink> scan(
        const ListScanTask& task,
        const Sink& empty,
        faiss::IndexIVFStats& stats) {
    std::vector<Sink> sinks(task.nq, empty);
    ScanInterrupt interrupt(
            task.distance.ops_per_pair() * task.distance.block_size() *
            kQueryTile);
    // with fewer queries a thread, lists are shared out instead
    constexpr size_t least = 32;
    if (task.nq >= omp_get_max_threads() * least) {
        scan_by_queries(task, interrupt, sinks, stats);
    } else {
        scan_by_entries(task, interrupt, sinks, stats);
    }
    interrupt.throw_if_happened();
    stats.nq += task.nq;
    return sinks;
}

} // namespace

void scan_lists_knn(
        const ListScanTask& task,
        idx_t k,
        int32_t* keys,
        idx_t* ids,
        idx_t* places,
        faiss::IndexIVFStats& stats) {
    TopK empty;
    empty.k = k;
    std::vector<TopK> found = scan(task, empty, stats);
    const Entry none = {std::numeric_limits<int32_t>::max(), -1, -1};
    for (size_t q = 0; q < task.nq; q++) {
        const std::vector<Entry>& best = found[q].sort();
        for (idx_t rank = 0; rank < k; rank++) {
            const Entry& entry = rank < idx_t(best.size()) ? best[rank] : none;
            keys[q * k + rank] = entry.key;
            if (ids) {
                ids[q * k + rank] = entry.id;
            }
            if (places) {
                places[q * k + rank] = entry.place;
            }
        }
    }
}

void scan_lists_range(
        const ListScanTask& task,
        int32_t radius,
        faiss::RangeSearchResult* result,
        faiss::IndexIVFStats& stats) {
    std::vector<InRange> found = scan(task, InRange{radius, {}}, stats);
    for (size_t q = 0; q < task.nq; q++) {
        result->lims[q] = found[q].found.size();
        std::sort(found[q].found.begin(), found[q].found.end());
    }
    result->do_allocation();
    for (size_t q = 0; q < task.nq; q++) {
        size_t offset = result->lims[q];
        for (const auto& [id, key] : found[q].found) {
            result->distances[offset] = task.distance.key_to_float(key);
            result->labels[offset++] = id;
        }
    }
}

} // namespace faiss_bebr
