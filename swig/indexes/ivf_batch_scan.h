#pragma once

#include <faiss/IndexIVF.h>

#include <cstddef>

namespace faiss_bebr {

struct IndexIVFSDC;

using faiss::idx_t;

/// What is scanned: queries against the inverted lists that each one probes.
struct IVFBatch {
    const IndexIVFSDC& index;
    size_t n;
    const float* x;      ///< n * index.d
    const idx_t* assign; ///< list numbers, n * nprobe; -1: none
    size_t nprobe;
    const faiss::IDSelector* sel; ///< nullptr: all documents
    bool store_pairs;             ///< results are places, see faiss::lo_build
};

/** The k best of each query, list by list: the codes of a list are unpacked
 * once for all queries of a thread that probe it. Ties go to the smaller
 * id, and among entries of the same id to the smaller place. Throws when
 * interrupted (Ctrl-C), and for a list number that does not exist.
 * @param distances  output, size n * k
 * @param labels     output, size n * k, padded with -1
 * @param stats      the work is added to it
 */
void search_ivf_batch(
        const IVFBatch& batch,
        idx_t k,
        float* distances,
        idx_t* labels,
        faiss::IndexIVFStats& stats);

/** What a list adds to the product of a query with its documents, if their
 * codes are residuals.
 * @param query     decoded levels, size index.d
 * @param centroid  of the list, size index.d
 */
float get_centroid_product(
        const IndexIVFSDC& index,
        const float* query,
        const float* centroid);

} // namespace faiss_bebr
