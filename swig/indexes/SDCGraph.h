#pragma once

#include "indexes/IndexSDC.h"

#include <faiss/IndexHNSW.h>

namespace faiss_bebr {

/** A faiss::IndexHNSW over an IndexSDC with a search of its own, which goes the
 * same way, see GraphSearch. Only among equal distances may it go another one,
 * by ids and not by places in a heap. All else is the base's, and so are
 * searches with a selector, with an unbounded queue, without
 * check_relative_distance or by another search_method, and over another
 * storage; use_visited_hashset is for these. Python sees a faiss.IndexHNSW; it
 * has no fields of its own, and its files are those of a faiss::IndexHNSW.
 */
struct SDCGraph : faiss::IndexHNSW {
    /// @param storage  not owned
    SDCGraph(IndexSDC* storage, int M);

    /// Takes over all that the other one has, which is left empty.
    explicit SDCGraph(faiss::IndexHNSW&& other);

    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;
};

/// an SDCGraph
faiss::IndexHNSW* make_graph(IndexSDC* storage, int M);

bool is_graph(const faiss::Index* index);

/// whether take_over_graph() is for it: it is over an IndexSDC and no SDCGraph
bool is_stock_graph(const faiss::Index* index);

/// an SDCGraph with all that the index has, which is left empty
faiss::IndexHNSW* take_over_graph(faiss::IndexHNSW* index);

} // namespace faiss_bebr
