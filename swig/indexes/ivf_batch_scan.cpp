#include "indexes/ivf_batch_scan.h"

#include "codes/lane_sums.h"
#include "indexes/IndexIVFSDC.h"
#include "indexes/SDCBlock.h"
#include "indexes/best_entries.h"
#include "indexes/scan_threads.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <omp.h>

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

namespace faiss_bebr {

using faiss::InvertedLists;
using faiss::METRIC_L2;

namespace {

/// the k best of the entries seen, by (key, label)
struct TopK : BestEntries<std::pair<float, idx_t>> {
    // labels come in any order, so entries with the key of the worst may be
    // better
    float threshold() const {
        constexpr float most = std::numeric_limits<float>::max();
        return is_full() ? std::nextafter(worst().first, most) : most;
    }
};

/// A query scans a list.
struct Probe {
    idx_t list_no;
    size_t query;
};

/// those of the queries q0 .. q1 - 1, list by list
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
    std::sort(probes.begin(), probes.end(), [](auto& a, auto& b) {
        return std::tie(a.list_no, a.query) < std::tie(b.list_no, b.query);
    });
    return probes;
}

/// One thread's scan of its queries.
struct Scanner {
    const IVFBatch& batch;
    ScanInterrupt& interrupt;
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
    const size_t q0;
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
            rows.clear();
            for (; j < size && rows.size() < block_size; j++) {
                const idx_t label = get_label(list_no, j, ids.ids);
                if (!batch.sel || batch.sel->is_member(label)) {
                    rows.push_back(j);
                }
            }
            if (!rows.empty()) {
                scan_block(begin, end, ids.ids);
            }
        }
    }

    idx_t get_label(idx_t list_no, size_t row, const idx_t* ids) const {
        return batch.store_pairs ? faiss::lo_build(list_no, row) : ids[row];
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
        for (size_t h = 0; h < nhits && hits[h] < rows.size(); h++) {
            const idx_t label = get_label(probe.list_no, rows[hits[h]], ids);
            stats.nheap_updates += sink.add({keys[h], label});
        }
    }
};

} // namespace

float get_centroid_product(
        const IndexIVFSDC& index,
        const float* query,
        const float* centroid) {
    return static_cast<float>(sum_in_lanes<double>(
            index.d, [=](int i) { return double(query[i]) * centroid[i]; }));
}

void search_ivf_batch(
        const IVFBatch& batch,
        idx_t k,
        float* distances,
        idx_t* labels,
        faiss::IndexIVFStats& stats) {
    const faiss::MetricType metric = batch.index.metric_type;
    const size_t max_threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    const size_t nparts = std::min(max_threads, batch.n);
    std::vector<faiss::IndexIVFStats> part_stats(nparts);
    ScanInterrupt interrupt(
            batch.index.d * get_block_size(batch.index.d) * kQueryTile);
    run_on_threads(nparts, [&](size_t p) {
        const size_t q0 = batch.n * p / nparts;
        const size_t q1 = batch.n * (p + 1) / nparts;
        Scanner scanner(batch, interrupt, q0, q1, k);
        scanner.run(make_probes(batch, q0, q1));
        part_stats[p] = scanner.stats;
        for (size_t q = q0; q < q1; q++) {
            const auto& best = scanner.sinks[q - q0].sort();
            for (idx_t rank = 0; rank < k; rank++) {
                const bool any = rank < idx_t(best.size());
                const float key = any ? best[rank].first
                                      : std::numeric_limits<float>::max();
                distances[q * k + rank] = key_to_distance(metric, key);
                labels[q * k + rank] = any ? best[rank].second : -1;
            }
        }
    });
    interrupt.throw_if_happened();
    stats.nq += batch.n;
    for (const faiss::IndexIVFStats& one : part_stats) {
        stats.add(one);
    }
}

} // namespace faiss_bebr
