#pragma once

#include <faiss/MetricType.h>

namespace faiss {
struct IDSelector;
} // namespace faiss

namespace faiss_bebr {

struct IndexSDC;

using faiss::idx_t;

/** The k best by all planes of the `ncandidates` best by the first planes.
 * Ties go to the smaller id in both passes.
 * @param x            queries, size n * d
 * @param first_nbits  planes of the first pass
 * @param sel          nullptr: all documents
 * @param keys         output, size n * k, padded with the largest key
 * @param ids          output, size n * k, padded with -1
 */
void search_in_two_passes(
        const IndexSDC& index,
        idx_t n,
        const float* x,
        int first_nbits,
        idx_t ncandidates,
        const faiss::IDSelector* sel,
        idx_t k,
        float* keys,
        idx_t* ids);

} // namespace faiss_bebr
