#pragma once

#include "indexes/BestCandidates.h"
#include "indexes/IndexSDC.h"
#include "indexes/SDCDistanceComputer.h"

#include <faiss/impl/HNSW.h>

#include <cstdint>
#include <vector>

namespace faiss_bebr {

/// Which vectors a search has seen. It comes without any, and is given back so.
struct VisitedBits {
    explicit VisitedBits(size_t n);
    ~VisitedBits();
    VisitedBits(VisitedBits&& other) = default;

    /// Adds n vectors; the new ones stay in ids. Returns their number.
    size_t add(int32_t* ids, size_t n) {
        // before a bit is set, as it may throw
        if (seen.capacity() < seen.size() + n) {
            seen.reserve(2 * (seen.size() + n));
        }
        size_t nnew = 0;
        for (size_t i = 0; i < n; i++) {
            const int32_t id = ids[i];
            uint64_t& word = words[id / 64];
            const uint64_t bit = uint64_t(1) << (id % 64);
            ids[nnew] = id;
            nnew += (word & bit) == 0;
            word |= bit;
        }
        seen.insert(seen.end(), ids, ids + nnew);
        return nnew;
    }

    void clear();

   private:
    std::vector<uint64_t> words;
    std::vector<int32_t> seen;
};

/** The way of one query after the other through a graph over an IndexSDC, as
 * faiss::HNSW::search() goes it with a bounded queue: greedily through the
 * upper levels, then from the nearest candidate to its neighbors, as long as
 * there is one among the best that it has not gone from.
 *
 * A step has parts: collect() finds what is to be compared next and prefetches
 * it, compare() compares it, and prefetch_links() is for the next step. So
 * several searches that take turns wait for memory together.
 */
struct GraphSearch {
    faiss::HNSWStats stats; ///< of all queries

    /** @param ef_search  see collect()
     *  @param k          results; as many candidates are kept at least
     */
    GraphSearch(
            const faiss::HNSW& hnsw,
            const IndexSDC& storage,
            size_t ef_search,
            size_t k);

    /// false for a query that IndexSDC would refuse; it has no neighbors
    bool start(const float* x);

    /// false: the search is at its end, as there is no open candidate or
    /// ef_search others are nearer than it
    bool collect();

    void compare();

    void prefetch_links() const;

    /** The k best. If there are fewer, the others get labels of -1 and the
     * distances that FAISS has with these.
     */
    void get_results(float* distances, idx_t* labels) const;

   private:
    const faiss::HNSW& hnsw;
    const uint8_t* codes;
    const size_t code_size;
    const size_t ef_search;
    const faiss::MetricType metric_type;
    SDCDistanceComputer computer;
    VisitedBits visited;

    int level = 0;
    int32_t nearest = -1; ///< above level 0
    float nearest_key = 0;
    BestCandidates candidates; ///< marked if their neighbors were compared
    BestCandidates results;
    size_t first_open = 0; ///< no candidate before it is open
    /// what is compared next
    size_t nids = 0;
    std::vector<int32_t> ids;
    std::vector<const uint8_t*> rows;
    std::vector<float> keys;

    void collect_neighbors(int32_t id);
    void move_to_nearest();
    void descend();
    void insert(float key, int32_t id);
    bool find_open();
    bool has_enough() const;
    int32_t get_id(int32_t order) const;
};

} // namespace faiss_bebr
