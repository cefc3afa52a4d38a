#include "indexes/GraphSearch.h"

#include "indexes/sdc_queries.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace faiss_bebr {

namespace {

constexpr float kFar = std::numeric_limits<float>::max();

/// Zeros of earlier searches of this thread, since to clear what they have set
/// is cheaper than to clear all. Few and small, as they stay with the thread.
thread_local std::vector<std::vector<uint64_t>> zeroed_words;
constexpr size_t kMaxKept = 8; // searches that take turns, see SDCGraph
constexpr size_t kMaxWords = size_t(1) << 18; // of 16 million vectors

} // namespace

VisitedBits::VisitedBits(size_t n) {
    zeroed_words.reserve(kMaxKept);
    if (!zeroed_words.empty()) {
        words = std::move(zeroed_words.back());
        zeroed_words.pop_back();
    }
    words.resize((n + 63) / 64);
}

VisitedBits::~VisitedBits() {
    if (!words.empty() && words.capacity() <= kMaxWords &&
        zeroed_words.size() < kMaxKept) {
        clear();
        zeroed_words.push_back(std::move(words));
    }
}

void VisitedBits::clear() {
    for (int32_t i : seen) {
        words[i / 64] = 0;
    }
    seen.clear();
}

GraphSearch::GraphSearch(
        const faiss::HNSW& hnsw_in,
        const IndexSDC& storage,
        size_t ef_search_in,
        size_t k)
        : hnsw(hnsw_in),
          codes(storage.codes.data()),
          code_size(storage.code_size),
          ef_search(ef_search_in),
          metric_type(storage.metric_type),
          computer(storage.sdc, codes),
          visited(hnsw.levels.size()),
          candidates(std::max(ef_search, k)),
          results(k) {
    size_t most = 1;
    for (int i = 0; i <= hnsw.max_level; i++) {
        most = std::max<size_t>(most, hnsw.nb_neighbors(i));
    }
    ids.resize(most);
    rows.resize(most);
    keys.resize(most);
}

/// of equal distances FAISS prefers larger ids where larger ones are better
int32_t GraphSearch::get_id(int32_t order) const {
    return metric_type == faiss::METRIC_INNER_PRODUCT ? ~order : order;
}

bool GraphSearch::start(const float* x) {
    visited.clear();
    candidates.clear();
    results.clear();
    first_open = 0;
    nearest = -1;
    nearest_key = std::numeric_limits<float>::infinity();
    nids = 0;
    stats.n1++;
    computer.set_query(x);
    if (!computer.query || hnsw.entry_point < 0) {
        return false;
    }
    level = hnsw.max_level;
    ids[nids++] = hnsw.entry_point;
    return true;
}

void GraphSearch::collect_neighbors(int32_t id) {
    const int32_t* links = hnsw.neighbors.data() + hnsw.offsets[id];
    const int end = hnsw.cum_nneighbor_per_level[level + 1];
    for (int i = hnsw.cum_nneighbor_per_level[level]; i < end; i++) {
        if (links[i] < 0) {
            break;
        }
        ids[nids++] = links[i];
    }
}

bool GraphSearch::collect() {
    // at the start there is the entry point
    while (nids == 0) {
        if (level > 0) {
            stats.nhops++;
            collect_neighbors(nearest);
            if (nids == 0) {
                descend();
            }
            continue;
        }
        if (!find_open()) {
            stats.n2++;
            return false;
        }
        if (has_enough()) {
            return false;
        }
        candidates.marks[first_open] = 1;
        collect_neighbors(get_id(candidates.orders[first_open]));
        nids = visited.add(ids.data(), nids);
        stats.nhops++;
    }
    for (size_t k = 0; k < nids; k++) {
        rows[k] = codes + ids[k] * code_size;
        computer.prefetch(rows[k]);
    }
    return true;
}

void GraphSearch::compare() {
    computer.compute_keys(rows.data(), nids, keys.data());
    stats.ndis += nids;
    if (level > 0 || nearest < 0) {
        move_to_nearest();
    } else {
        for (size_t k = 0; k < nids; k++) {
            if (candidates.takes(keys[k])) {
                insert(keys[k], ids[k]);
            }
        }
    }
    nids = 0;
    if (level == 0 && find_open()) {
        const int32_t id = get_id(candidates.orders[first_open]);
        __builtin_prefetch(hnsw.offsets.data() + id);
    }
}

void GraphSearch::prefetch_links() const {
    if (level > 0 || first_open >= candidates.size) {
        return;
    }
    const int32_t id = get_id(candidates.orders[first_open]);
    const int32_t* links = hnsw.neighbors.data() + hnsw.offsets[id];
    constexpr int links_per_line = 64 / sizeof(int32_t);
    for (int i = 0; i < hnsw.cum_nneighbor_per_level[1]; i += links_per_line) {
        __builtin_prefetch(links + i);
    }
}

void GraphSearch::move_to_nearest() {
    bool has_moved = nearest < 0;
    nearest = has_moved ? ids[0] : nearest;
    for (size_t k = 0; k < nids; k++) {
        if (keys[k] < nearest_key) {
            nearest_key = keys[k];
            nearest = ids[k];
            has_moved = true;
        }
    }
    // of a graph of one level, the entry point is where level 0 begins
    if (!has_moved || level == 0) {
        descend();
    }
}

/// to the level below, if there is one
void GraphSearch::descend() {
    level = std::max(level - 1, 0);
    if (level == 0) {
        visited.add(&nearest, 1);
        if (candidates.takes(nearest_key)) {
            insert(nearest_key, nearest);
        }
    }
}

/// one that the candidates take, as they do all that the results do
void GraphSearch::insert(float key, int32_t id) {
    const int32_t order = get_id(id);
    // what is as far is no result, as in FAISS's heaps
    if (key < kFar && results.takes(key)) {
        results.insert(key, order);
    }
    first_open = std::min(first_open, candidates.insert(key, order));
}

bool GraphSearch::find_open() {
    while (first_open < candidates.size && candidates.marks[first_open]) {
        first_open++;
    }
    return first_open < candidates.size;
}

/// as FAISS counts: those that are as far as it do not count
bool GraphSearch::has_enough() const {
    size_t nearer = first_open;
    while (nearer >= ef_search &&
           candidates.keys[nearer - 1] == candidates.keys[first_open]) {
        nearer--;
    }
    return nearer >= ef_search;
}

void GraphSearch::get_results(float* distances, idx_t* labels) const {
    for (size_t i = 0; i < results.keys.size(); i++) {
        const bool is_there = i < results.size;
        labels[i] = is_there ? get_id(results.orders[i]) : -1;
        distances[i] =
                key_to_distance(metric_type, is_there ? results.keys[i] : kFar);
    }
}

} // namespace faiss_bebr
