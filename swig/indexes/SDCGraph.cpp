#include "indexes/SDCGraph.h"

#include "indexes/GraphSearch.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <typeinfo>
#include <utility>

namespace faiss_bebr {

namespace {

/// searches of a thread that wait for memory together; more gain nothing
constexpr idx_t kTurns = 8;

/// efSearch of a search that GraphSearch does; 0: it is none
size_t get_ef_search(
        const faiss::HNSW& hnsw,
        const faiss::SearchParameters* params) {
#if FAISS_VERSION_PATCH >= 1
    const bool is_default = hnsw.search_method == faiss::HNSW::SM_DEFAULT;
#else
    const bool is_default = !hnsw.is_panorama;
#endif
    faiss::SearchParametersHNSW found;
    found.efSearch = hnsw.efSearch;
    found.check_relative_distance = hnsw.check_relative_distance;
    found.bounded_queue = hnsw.search_bounded_queue;
    if (params) {
        found.sel = params->sel;
        if (const auto* own =
                    dynamic_cast<const faiss::SearchParametersHNSW*>(params)) {
            found = *own;
        }
    }
    const bool is_plain =
            !found.sel && found.check_relative_distance && found.bounded_queue;
    return is_default && is_plain ? std::max(found.efSearch, 0) : 0;
}

/// Searches for part of the queries, which several threads share out.
struct QueryShare {
    idx_t end;
    const float* x;
    int d;
    idx_t k;
    float* distances;
    idx_t* labels;
    std::atomic<idx_t> next;

    /// the next query that has something to find; -1: there is none
    idx_t start(GraphSearch& search) {
        for (idx_t i = next++; i < end; i = next++) {
            if (search.start(x + i * d)) {
                return i;
            }
            finish(search, i);
        }
        return -1;
    }

    void finish(const GraphSearch& search, idx_t i) {
        search.get_results(distances + i * k, labels + i * k);
    }
};

struct Turn {
    GraphSearch search;
    idx_t query;
};

/// until no query is left
void take_turns(std::vector<Turn>& turns, QueryShare& share) {
    for (Turn& turn : turns) {
        turn.query = share.start(turn.search);
    }
    bool is_busy = true;
    while (is_busy) {
        is_busy = false;
        for (Turn& turn : turns) {
            while (turn.query >= 0 && !turn.search.collect()) {
                share.finish(turn.search, turn.query);
                turn.query = share.start(turn.search);
            }
            is_busy = is_busy || turn.query >= 0;
        }
        for (Turn& turn : turns) {
            if (turn.query >= 0) {
                turn.search.compare();
            }
        }
        for (Turn& turn : turns) {
            if (turn.query >= 0) {
                turn.search.prefetch_links();
            }
        }
    }
}

} // namespace

SDCGraph::SDCGraph(IndexSDC* storage_in, int M)
        : faiss::IndexHNSW(storage_in, M) {}

SDCGraph::SDCGraph(faiss::IndexHNSW&& other)
        : faiss::IndexHNSW(other.storage, 2) {
    ntotal = other.ntotal;
    verbose = other.verbose;
    is_trained = other.is_trained;
    metric_type = other.metric_type;
    metric_arg = other.metric_arg;
    init_level0 = other.init_level0;
    keep_max_size_level0 = other.keep_max_size_level0;
    use_visited_hashset = other.use_visited_hashset;
#if FAISS_VERSION_PATCH < 1
    retain_locks = other.retain_locks;
#endif
    hnsw = std::move(other.hnsw);
    own_fields = other.own_fields;
    other.own_fields = false;
    other.storage = nullptr;
    other.ntotal = 0;
}

void SDCGraph::search(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const faiss::SearchParameters* params) const {
    const auto* sdc_storage = dynamic_cast<const IndexSDC*>(storage);
    const size_t ef_search = get_ef_search(hnsw, params);
    if (!sdc_storage || ef_search == 0 || k < 1) {
        faiss::IndexHNSW::search(n, x, k, distances, labels, params);
        return;
    }
    const idx_t period = std::max<idx_t>(
            kTurns,
            faiss::InterruptCallback::get_period_hint(
                    size_t(hnsw.max_level + 1) * d *
                    std::max<size_t>(ef_search, k)));
    faiss::HNSWStats stats;
    for (idx_t i0 = 0; i0 < n; i0 += period) {
        const idx_t end = std::min(n, i0 + period);
        QueryShare share = {end, x, d, k, distances, labels, {i0}};
        std::exception_ptr ex;
#pragma omp parallel if (end - i0 > 1)
        try {
            const idx_t nthreads = omp_get_num_threads();
            const idx_t nturns =
                    std::min(kTurns, (end - i0 + nthreads - 1) / nthreads);
            std::vector<Turn> turns;
            turns.reserve(nturns);
            for (idx_t i = 0; i < nturns; i++) {
                turns.push_back(
                        {GraphSearch(hnsw, *sdc_storage, ef_search, k), -1});
            }
            take_turns(turns, share);
            for (const Turn& turn : turns) {
#pragma omp critical(faiss_bebr_graph_stats)
                stats.combine(turn.search.stats);
            }
        } catch (...) {
            faiss::omp_capture_exception(ex);
        }
        faiss::omp_rethrow_if_exception(ex);
        faiss::InterruptCallback::check();
    }
    faiss::hnsw_stats.combine(stats);
}

faiss::IndexHNSW* make_graph(IndexSDC* storage, int M) {
    FAISS_THROW_IF_NOT_MSG(storage, "storage is null");
    return new SDCGraph(storage, M);
}

bool is_graph(const faiss::Index* index) {
    return dynamic_cast<const SDCGraph*>(index);
}

bool is_stock_graph(const faiss::Index* index) {
    // none of its subclasses, which have more that would be lost
    if (!index || typeid(*index) != typeid(faiss::IndexHNSW)) {
        return false;
    }
    const auto* graph = static_cast<const faiss::IndexHNSW*>(index);
    return dynamic_cast<const IndexSDC*>(graph->storage);
}

faiss::IndexHNSW* take_over_graph(faiss::IndexHNSW* index) {
    FAISS_THROW_IF_NOT_MSG(
            is_stock_graph(index), "no faiss::IndexHNSW over an IndexSDC");
    return new SDCGraph(std::move(*index));
}

} // namespace faiss_bebr
