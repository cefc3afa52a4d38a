#include "io/consistency.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>

namespace faiss_bebr {

using faiss::DirectMap;
using faiss::HNSW;
using faiss::idx_t;
using faiss::InvertedLists;

namespace {

void check_place(const InvertedLists& lists, idx_t place) {
    FAISS_THROW_IF_NOT_MSG(
            place >= 0 && faiss::lo_listno(place) < lists.nlist &&
                    faiss::lo_offset(place) <
                            lists.list_size(faiss::lo_listno(place)),
            "the index file is corrupted: a direct map leads out of the lists");
}

/// more are never asked for: distances to so many vectors take no memory
constexpr int kMaxEf = 1 << 20;
/// of a vector in one level; FAISS's default is 32
constexpr int kMaxNeighbors = 1 << 16;

void check_settings(const HNSW& graph) {
    const int max_ef = std::max<size_t>(kMaxEf, graph.levels.size());
    FAISS_THROW_IF_NOT_FMT(
            graph.efSearch >= 0 && graph.efSearch <= max_ef &&
                    graph.efConstruction >= 0 && graph.efConstruction <= max_ef,
            "the index file is corrupted: efSearch %d, efConstruction %d",
            graph.efSearch,
            graph.efConstruction);
    const std::vector<int>& sums = graph.cum_nneighbor_per_level;
    // a new vector is put into one of the levels that have a probability
    FAISS_THROW_IF_NOT_MSG(
            !graph.assign_probas.empty() &&
                    graph.assign_probas.size() < sums.size(),
            "the index file is corrupted: levels without neighbors");
    for (size_t level = 1; level < sums.size(); level++) {
        FAISS_THROW_IF_NOT_FMT(
                sums[level] - sums[level - 1] <= kMaxNeighbors,
                "the index file is corrupted: %d neighbors in level %zd",
                sums[level] - sums[level - 1],
                level - 1);
    }
}

} // namespace

void check_lists(const InvertedLists* lists, idx_t ntotal) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal >= 0 && lists->compute_ntotal() == size_t(ntotal),
            "the index file is corrupted: ntotal is not that of the lists");
}

void check_ids(const InvertedLists* lists, idx_t n) {
    for (size_t i = 0; i < lists->nlist; i++) {
        const InvertedLists::ScopedIds ids(lists, i);
        const idx_t* end = ids.ids + lists->list_size(i);
        FAISS_THROW_IF_NOT_FMT(
                std::all_of(
                        ids.ids,
                        end,
                        [n](idx_t id) { return id >= 0 && id < n; }),
                "the index file is corrupted: ids beyond %zd in list %zd",
                size_t(n),
                i);
    }
}

void check_direct_map(
        const DirectMap* map,
        const InvertedLists* lists,
        idx_t ntotal) {
    FAISS_THROW_IF_NOT_FMT(
            map->type >= DirectMap::NoMap && map->type <= DirectMap::Hashtable,
            "the index file is corrupted: a direct map of type %d",
            int(map->type));
    FAISS_THROW_IF_NOT_MSG(
            (map->type == DirectMap::Array ? idx_t(map->array.size()) == ntotal
                                           : map->array.empty()) &&
                    idx_t(map->hashtable.size()) <= ntotal,
            "the index file is corrupted: a direct map of another size");
    for (idx_t place : map->array) {
        if (place != -1) { // of a vector that is in no list
            check_place(*lists, place);
        }
    }
    for (const auto& entry : map->hashtable) {
        check_place(*lists, entry.second);
    }
}

void check_graph(const HNSW* graph) {
    check_settings(*graph);
    const int ntotal = static_cast<int>(graph->levels.size());
    FAISS_THROW_IF_NOT_MSG(
            graph->offsets.back() == graph->neighbors.size(),
            "the index file is corrupted: neighbors of no vector");
    const int entry_point = graph->entry_point;
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0 ? entry_point == -1 && graph->max_level == -1
                        : entry_point >= 0 && graph->max_level >= 0 &&
                            graph->max_level < graph->levels[entry_point],
            "the index file is corrupted: a graph without entry point");
    for (int i = 0; i < ntotal; i++) {
        for (int level = 0; level < graph->levels[i]; level++) {
            size_t begin, end;
            graph->neighbor_range(i, level, &begin, &end);
            for (size_t j = begin; j < end; j++) {
                const int neighbor = graph->neighbors.data()[j];
                FAISS_THROW_IF_NOT_MSG(
                        neighbor < 0 || graph->levels[neighbor] > level,
                        "the index file is corrupted: a neighbor in no level");
            }
        }
    }
}

} // namespace faiss_bebr
