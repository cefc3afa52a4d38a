#pragma once

#include <faiss/impl/HNSW.h>
#include <faiss/invlists/DirectMap.h>
#include <faiss/invlists/InvertedLists.h>

namespace faiss_bebr {

// Checks of parts that were read from a file, whose functions trust them. They
// throw FaissException.

/// whether the lists of an inverted file have ntotal vectors
void check_lists(const faiss::InvertedLists* lists, faiss::idx_t ntotal);

/// whether all ids in lists are in 0 .. n - 1; reads those on disk
void check_ids(const faiss::InvertedLists* lists, faiss::idx_t n);

/** Whether all places of a direct map are in the lists.
 * @param ntotal  vectors of the index, a map has no more entries
 */
void check_direct_map(
        const faiss::DirectMap* map,
        const faiss::InvertedLists* lists,
        faiss::idx_t ntotal);

/** Whether searches and additions stay inside of a graph's arrays. FAISS's
 * reader has compared their sizes.
 */
void check_graph(const faiss::HNSW* graph);

} // namespace faiss_bebr
