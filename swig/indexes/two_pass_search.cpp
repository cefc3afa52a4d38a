#include "indexes/two_pass_search.h"

#include "indexes/FirstPassBlock.h"
#include "indexes/IndexSDC.h"
#include "indexes/block_scan.h"
#include "indexes/parallel_for.h"
#include "indexes/sdc_queries.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace faiss_bebr {

namespace {

/** The best of the candidates of query q by all planes.
 * @param candidates  ids, the first n
 */
void rescore(
        const IndexSDC& index,
        const LevelQueries& queries,
        size_t q,
        const idx_t* candidates,
        size_t n,
        idx_t k,
        float* keys,
        idx_t* ids) {
    const SDCQuantizer& sdc = index.sdc;
    const SDCKernels& kernels = get_kernels();
    std::vector<const uint8_t*> rows(n);
    for (size_t j = 0; j < n; j++) {
        rows[j] = index.codes.data() + candidates[j] * index.code_size;
    }
    std::vector<int32_t> dots(n);
    kernels.code_dots(
            sdc.layout.view(),
            queries.levels.data() + q * sdc.layout.coded_dim(),
            rows.data(),
            n,
            dots.data());
    constexpr float worst = std::numeric_limits<float>::max();
    std::vector<std::pair<float, idx_t>> entries;
    entries.reserve(n);
    DocumentNorms norms(sdc, sdc.layout);
    for (size_t j = 0; j < n; j++) {
        const float key = queries.get_key(sdc, norms, q, dots[j], rows[j]);
        if (key < worst) { // as a scan finds them: not infinite, not NaN
            entries.emplace_back(key, candidates[j]);
        }
    }
    const size_t nbest = std::min<size_t>(k, entries.size());
    std::partial_sort(entries.begin(), entries.begin() + nbest, entries.end());
    std::fill(keys, keys + k, worst);
    std::fill(ids, ids + k, idx_t(-1));
    for (size_t j = 0; j < nbest; j++) {
        keys[j] = entries[j].first;
        ids[j] = entries[j].second;
    }
}

/// the search for a few queries, see search_in_two_passes()
void search_batch(
        const IndexSDC& index,
        const PlaneLayout& shallow,
        const LevelQueries& queries,
        idx_t ncandidates,
        const faiss::IDSelector* sel,
        idx_t k,
        float* keys,
        idx_t* ids) {
    const idx_t nq = queries.step.size();
    const PlaneQueries planes(shallow, queries);
    const size_t block_size = get_block_size(index.d);
    const ScanTask<float> task = {
            size_t(nq), index.ntotal, sel, block_size, size_t(index.d), [&]() {
                return std::make_unique<FirstPassBlock>(
                        index.sdc,
                        shallow,
                        queries,
                        planes,
                        index.codes.data(),
                        block_size);
            }};
    std::vector<float> first_keys(nq * ncandidates);
    std::vector<idx_t> candidates(nq * ncandidates);
    scan_knn(task, ncandidates, first_keys.data(), candidates.data());
    parallel_for(nq, 2, [&](idx_t q) {
        const idx_t* begin = candidates.data() + q * ncandidates;
        const idx_t* end = std::find(begin, begin + ncandidates, idx_t(-1));
        const size_t n = end - begin;
        rescore(index, queries, q, begin, n, k, keys + q * k, ids + q * k);
    });
}

} // namespace

void search_in_two_passes(
        const IndexSDC& index,
        idx_t n,
        const float* x,
        int first_nbits,
        idx_t ncandidates,
        const faiss::IDSelector* sel,
        idx_t k,
        float* keys,
        idx_t* ids) {
    check_queries(index.sdc, n, x);
    const PlaneLayout shallow = index.sdc.layout.get_first_planes(first_nbits);
    // many queries with many candidates each would fill the memory
    constexpr idx_t max_candidates = 1 << 20;
    const idx_t batch_size = std::min<size_t>(
            get_query_batch(index.sdc),
            std::max<idx_t>(256, max_candidates / ncandidates));
    for (idx_t i = 0; i < n; i += batch_size) {
        const idx_t nq = std::min(batch_size, n - i);
        const LevelQueries queries(index.sdc, nq, x + i * index.d);
        search_batch(
                index,
                shallow,
                queries,
                ncandidates,
                sel,
                k,
                keys + i * k,
                ids + i * k);
    }
}

} // namespace faiss_bebr
