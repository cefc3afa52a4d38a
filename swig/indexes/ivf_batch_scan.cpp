#include "indexes/ivf_batch_scan.h"

#include "indexes/IndexIVFSDC.h"
#include "indexes/SDCBlock.h"
#include "indexes/best_entries.h"
#include "indexes/result_entries.h"
#include "indexes/scan_threads.h"
#include "indexes/sort_by_lists.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <omp.h>

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

namespace faiss_bebr {

using faiss::InvertedLists;
using faiss::METRIC_L2;

namespace {

using Entry = ListEntry<float>;

/// the k best of the entries seen
struct TopK : BestEntries<Entry> {
    // ids come in any order, so entries with the key of the worst may be better
    float threshold() const {
        constexpr float most = std::numeric_limits<float>::max();
        return is_full() ? std::nextafter(get_largest_key(), most) : most;
    }
};

/// A query scans a list.
struct Probe {
    idx_t list_no;
    size_t query;
};

/// those of the queries q0 .. q1 - 1, list by list; of one query as assigned,
/// for the nearest lists leave few entries of others that are better
std::vector<Probe> make_probes(const IVFBatch& batch, size_t q0, size_t q1) {
    std::vector<Probe> probes;
    for (size_t i = q0 * batch.nprobe; i < q1 * batch.nprobe; i++) {
        const idx_t list_no = batch.assign[i];
        if (list_no < 0) {
            continue;
        }
        // as FAISS says it
        FAISS_THROW_IF_NOT_FMT(
                size_t(list_no) < batch.index.nlist,
                "Invalid key=%" PRId64 " nlist=%zd",
                list_no,
                batch.index.nlist);
        probes.push_back({list_no, i / batch.nprobe});
    }
    return q1 - q0 > 1 ? sort_by_lists(batch.index.nlist, probes) : probes;
}

/// One thread's scan of its queries.
struct Scanner {
    const IVFBatch& batch;
    ScanInterrupt& interrupt;
    const size_t q0;
    std::vector<TopK> sinks; ///< of the queries from q0 on
    faiss::IndexIVFStats stats;

    Scanner(const IVFBatch& batch_in,
            ScanInterrupt& interrupt_in,
            size_t q0_in,
            size_t q1,
            idx_t k)
            : batch(batch_in),
              interrupt(interrupt_in),
              q0(q0_in),
              block_size(get_block_size(batch.index.d)),
              block(batch.index.sdc, tile, nullptr, block_size),
              hits(block_size),
              keys(block_size) {
        TopK empty;
        empty.k = k;
        sinks.resize(q1 - q0, empty);
        const bool by_residual = batch.index.by_residual;
        if (by_residual) {
            centroid.resize(batch.index.d);
        }
        if (!by_residual || batch.index.metric_type != METRIC_L2) {
            queries.set(
                    batch.index.sdc,
                    q1 - q0,
                    batch.x + q0 * batch.index.d,
                    by_residual);
        }
    }

    void run(const std::vector<Probe>& probes) {
        for (size_t begin = 0; begin < probes.size();) {
            size_t end = begin;
            while (end < probes.size() &&
                   probes[end].list_no == probes[begin].list_no) {
                end++;
            }
            scan_list(probes.data() + begin, probes.data() + end);
            if (interrupt.happened) {
                return;
            }
            begin = end;
        }
    }

   private:
    const size_t block_size;
    /// all queries, unless their residuals are to be level-quantized
    LevelQueries queries;
    LevelQueries tile; ///< what the block is compared with
    SDCBlock block;
    std::vector<float> centroid;
    std::vector<idx_t> rows; ///< of the list, which are in the block
    std::vector<uint32_t> hits;
    std::vector<float> keys;
    size_t ntiles = 0;

    void scan_list(const Probe* begin, const Probe* end) {
        const IndexIVFSDC& index = batch.index;
        const idx_t list_no = begin->list_no;
        const size_t size = index.invlists->list_size(list_no);
        if (size == 0) {
            return;
        }
        stats.nlist += end - begin;
        if (index.by_residual) {
            index.quantizer->reconstruct(list_no, centroid.data());
        }
        const InvertedLists::ScopedIds ids(index.invlists, list_no);
        const InvertedLists::ScopedCodes codes(index.invlists, list_no);
        block.codes = codes.codes;
        block.unpacks = end - begin > 2;
        for (size_t j = 0; j < size && !interrupt.happened;) {
            j = take_rows(list_no, ids.ids, j, size);
            if (!rows.empty()) {
                scan_block(begin, end, ids.ids);
            }
        }
    }

    /// the next rows of a list from j on; returns the first one after them
    size_t take_rows(idx_t list_no, const idx_t* ids, size_t j, size_t size) {
        if (!batch.sel) {
            rows.resize(std::min(block_size, size - j));
            std::iota(rows.begin(), rows.end(), idx_t(j));
            return j + rows.size();
        }
        rows.clear();
        for (; j < size && rows.size() < block_size; j++) {
            const idx_t label =
                    batch.store_pairs ? faiss::lo_build(list_no, j) : ids[j];
            if (batch.sel->is_member(label)) {
                rows.push_back(j);
            }
        }
        return j;
    }

    void scan_block(const Probe* begin, const Probe* end, const idx_t* ids) {
        block.load(rows.data(), rows.size());
        stats.ndis += rows.size() * (end - begin);
        for (const Probe* probe = begin; probe < end;) {
            if (interrupt.check(ntiles)) {
                return;
            }
            // without levels a block is compared with a query at a time
            const size_t most = block.unpacks ? kQueryTile : 1;
            const size_t n = std::min<size_t>(most, end - probe);
            set_tile(probe, n);
            block.compute(0, n, nullptr);
            for (size_t i = 0; i < n; i++) {
                collect(i, *probe++, ids);
            }
        }
    }

    /// the queries of n probes of the same list, whose centroid is `centroid`
    void set_tile(const Probe* probes, size_t n) {
        const IndexIVFSDC& index = batch.index;
        const size_t d = index.d, m = index.sdc.layout.coded_dim();
        if (queries.step.empty()) {
            std::vector<float> residuals(n * d);
            for (size_t i = 0; i < n; i++) {
                const float* x = batch.x + probes[i].query * d;
                for (size_t j = 0; j < d; j++) {
                    residuals[i * d + j] = x[j] - centroid[j];
                }
            }
            tile.set(index.sdc, n, residuals.data());
            return;
        }
        tile.levels.resize(n * m);
        tile.step.resize(n);
        tile.shift.resize(n);
        tile.bias.resize(n);
        for (size_t i = 0; i < n; i++) {
            const size_t q = probes[i].query - q0;
            std::copy_n(&queries.levels[q * m], m, &tile.levels[i * m]);
            tile.step[i] = queries.step[q];
            tile.shift[i] = queries.shift[q];
            tile.bias[i] = index.by_residual
                    ? -get_centroid_product(
                              index, &queries.decoded[q * d], centroid.data())
                    : queries.bias[q];
        }
    }

    /// @param i  place of the probe's query in the tile
    void collect(size_t i, const Probe& probe, const idx_t* ids) {
        TopK& sink = sinks[probe.query - q0];
        const size_t nhits =
                block.collect(i, sink.threshold(), hits.data(), keys.data());
        for (size_t h = 0; h < nhits; h++) {
            if (hits[h] < rows.size()) {
                const idx_t row = rows[hits[h]];
                const idx_t place = faiss::lo_build(probe.list_no, row);
                stats.nheap_updates += sink.add({keys[h], ids[row], place});
            }
        }
    }
};

/// entries that all queries at work may have, unless those are few
constexpr size_t kMaxEntries = size_t(1) << 20;

void write_results(
        const IVFBatch& batch,
        const std::vector<Entry>& best,
        idx_t k,
        float* distances,
        idx_t* labels) {
    const Entry none = {std::numeric_limits<float>::max(), -1, -1};
    for (idx_t rank = 0; rank < k; rank++) {
        const Entry& entry = rank < idx_t(best.size()) ? best[rank] : none;
        distances[rank] = key_to_distance(batch.index.metric_type, entry.key);
        labels[rank] = batch.store_pairs ? entry.place : entry.id;
    }
}

/// of the queries first .. last - 1, see search_ivf_batch()
void search_part(
        const IVFBatch& batch,
        size_t first,
        size_t last,
        idx_t k,
        float* distances,
        idx_t* labels,
        faiss::IndexIVFStats& stats) {
    const size_t n = last - first;
    const size_t max_threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    const size_t nparts = std::min(max_threads, n);
    std::vector<faiss::IndexIVFStats> part_stats(nparts);
    ScanInterrupt interrupt(
            batch.index.d * get_block_size(batch.index.d) * kQueryTile);
    run_on_threads(nparts, [&](size_t p) {
        const size_t begin = first + n * p / nparts;
        const size_t end = first + n * (p + 1) / nparts;
        Scanner scanner(batch, interrupt, begin, end, k);
        scanner.run(make_probes(batch, begin, end));
        part_stats[p].add(scanner.stats);
        for (size_t q = begin; q < end; q++) {
            const size_t place = q * k;
            write_results(
                    batch,
                    scanner.sinks[q - begin].sort(),
                    k,
                    distances + place,
                    labels + place);
        }
    });
    interrupt.throw_if_happened();
    stats.nq += n;
    for (const faiss::IndexIVFStats& one : part_stats) {
        stats.add(one);
    }
}

} // namespace

float get_centroid_product(
        const IndexIVFSDC& index,
        const float* query,
        const float* centroid) {
    return get_kernels().double_product(index.d, query, centroid);
}

void search_ivf_batch(
        const IVFBatch& batch,
        idx_t k,
        float* distances,
        idx_t* labels,
        faiss::IndexIVFStats& stats) {
    const size_t part = std::max<size_t>(256, kMaxEntries / k);
    for (size_t q0 = 0; q0 < batch.n; q0 += part) {
        const size_t q1 = std::min(q0 + part, batch.n);
        search_part(batch, q0, q1, k, distances, labels, stats);
    }
}

} // namespace faiss_bebr
