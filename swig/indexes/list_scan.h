#pragma once

#include "indexes/BinaryBlock.h"

#include <faiss/IndexIVF.h>
#include <faiss/invlists/InvertedLists.h>

#include <cstddef>
#include <cstdint>

namespace faiss {
struct IDSelector;
struct RangeSearchResult;
} // namespace faiss

namespace faiss_bebr {

/// What is scanned: queries against the inverted lists that each one probes.
struct ListScanTask {
    const BinaryDistance& distance;
    size_t nq;
    const uint8_t* x; ///< packed codes, query i is row i
    const faiss::InvertedLists& lists;
    const idx_t* assign; ///< list numbers, nq * nprobe; -1: none
    size_t nprobe;
    /// entries that a query visits at most, in the order of assign; 0: no limit
    size_t max_codes;
    const faiss::IDSelector* sel; ///< nullptr: all documents
};

// A list is unpacked once for all queries of a thread that probe it, unless
// these are so few that they are compared by its codes. Threads share out the
// queries or, when these are few, the entries of the lists. Both functions
// throw when interrupted (Ctrl-C), and for a list number that does not exist.

/** The k best of each query; ties go to the smaller id, and among entries of
 * the same id to the smaller place.
 * @param keys    output, size nq * k, padded with the largest key
 * @param ids     output, size nq * k, padded with -1; or nullptr
 * @param places  output, those of faiss::lo_build, likewise
 * @param stats   the work is added to it
 */
void scan_lists_knn(
        const ListScanTask& task,
        idx_t k,
        int32_t* keys,
        idx_t* ids,
        idx_t* places,
        faiss::IndexIVFStats& stats);

/// All documents with a key below the radius, in the order of their ids.
void scan_lists_range(
        const ListScanTask& task,
        int32_t radius,
        faiss::RangeSearchResult* result,
        faiss::IndexIVFStats& stats);

} // namespace faiss_bebr
