#include "indexes/IVFSDCScanner.h"

#include "indexes/IndexIVFSDC.h"
#include "indexes/SDCBlock.h"
#include "indexes/ivf_batch_scan.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/ResultHandler.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace faiss_bebr {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;

namespace {

/// codes compared before the threshold of the results is looked at again
constexpr size_t kBlock = 4 * kGroup;

} // namespace

struct IVFSDCScanner::Workspace {
    SDCBlock block;
    idx_t offsets[kBlock]; ///< of the codes to compare
    uint32_t hits[kBlock];
    float keys[kBlock];

    // what was taken from an iterator, whose codes need not stay
    std::vector<idx_t> ids;
    std::vector<uint8_t> codes;

    Workspace(const SDCQuantizer& sdc, const LevelQueries& query)
            : block(sdc, query, nullptr, kBlock) {}
};

IVFSDCScanner::IVFSDCScanner(
        const IndexIVFSDC& index_in,
        bool store_pairs_in,
        const faiss::IDSelector* sel_in)
        : InvertedListScanner(store_pairs_in, sel_in),
          index(index_in),
          centroid(index_in.by_residual ? index_in.d : 0),
          work(std::make_unique<Workspace>(index_in.sdc, query)) {
    keep_max = index.metric_type == METRIC_INNER_PRODUCT;
    code_size = index.code_size;
}

IVFSDCScanner::~IVFSDCScanner() = default;

void IVFSDCScanner::set_query(const float* query_vector) {
    x = query_vector;
    if (index.by_residual && index.metric_type == METRIC_L2) {
        return; // set_list() does it
    }
    try {
        query.set(index.sdc, 1, x, index.by_residual);
        is_finite = true;
    } catch (const faiss::FaissException&) {
        is_finite = false;
    }
}

void IVFSDCScanner::set_list(idx_t list_no_in, float /* coarse_dis */) {
    list_no = list_no_in;
    if (!index.by_residual) {
        return;
    }
    index.quantizer->reconstruct(list_no, centroid.data());
    if (index.metric_type == METRIC_L2) {
        for (int i = 0; i < index.d; i++) {
            centroid[i] = x[i] - centroid[i];
        }
        query.set(index.sdc, 1, centroid.data());
        is_finite = true;
    } else if (is_finite) {
        query.bias[0] = -get_centroid_product(
                index, query.decoded.data(), centroid.data());
    }
}

bool IVFSDCScanner::is_better(float distance, float threshold) const {
    return keep_max ? distance > threshold : distance < threshold;
}

/** Compare the codes at work->offsets[0 .. n - 1], n <= kBlock.
 * @return  how many have a key that is better than the threshold; work has
 *          their hits and keys
 */
size_t IVFSDCScanner::find_hits(const uint8_t* codes, size_t n, float threshold)
        const {
    if (!is_finite) {
        return 0;
    }
    work->block.codes = codes;
    work->block.load(work->offsets, n);
    const float key_threshold = keep_max ? -threshold : threshold;
    work->block.compute(0, 1, &key_threshold);
    size_t nhits =
            work->block.collect(0, key_threshold, work->hits, work->keys);
    while (nhits > 0 && work->hits[nhits - 1] >= n) {
        nhits--; // the last group is padded
    }
    return nhits;
}

/// @param codes  n <= kBlock, one after the other
void IVFSDCScanner::get_distances(
        const uint8_t* codes,
        size_t n,
        float* distances) const {
    const float infinity = std::numeric_limits<float>::infinity();
    const float worst = keep_max ? -infinity : infinity;
    std::fill(distances, distances + n, worst);
    std::iota(work->offsets, work->offsets + n, 0);
    const size_t nhits = find_hits(codes, n, worst);
    for (size_t h = 0; h < nhits; h++) {
        distances[work->hits[h]] =
                key_to_distance(index.metric_type, work->keys[h]);
    }
}

float IVFSDCScanner::distance_to_code(const uint8_t* code) const {
    float distance;
    get_distances(code, 1, &distance);
    return distance;
}

size_t IVFSDCScanner::scan_codes(
        size_t n,
        const uint8_t* codes,
        const idx_t* ids,
        faiss::ResultHandler& handler) const {
    size_t nup = 0;
    for (size_t i = 0; i < n;) {
        size_t ntaken = 0;
        for (; i < n && ntaken < kBlock; i++) {
            const idx_t id = store_pairs ? faiss::lo_build(list_no, i) : ids[i];
            if (!sel || sel->is_member(id)) {
                work->offsets[ntaken++] = i;
            }
        }
        const size_t nhits = find_hits(codes, ntaken, handler.threshold);
        for (size_t h = 0; h < nhits; h++) {
            const idx_t offset = work->offsets[work->hits[h]];
            const float distance =
                    key_to_distance(index.metric_type, work->keys[h]);
            // the threshold changes on the way
            if (is_better(distance, handler.threshold)) {
                nup += handler.add_result(
                        distance,
                        store_pairs ? faiss::lo_build(list_no, offset)
                                    : ids[offset]);
            }
        }
        handler.stats.scan_cnt += ntaken;
    }
    handler.stats.nheap_updates += nup;
    return nup;
}

/// the next entries of the selector; returns how many
size_t IVFSDCScanner::take_batch(faiss::InvertedListsIterator* iterator) const {
    work->ids.clear();
    work->codes.clear();
    for (; iterator->is_available() && work->ids.size() < kBlock;
         iterator->next()) {
        const auto [id, code] = iterator->get_id_and_codes();
        if (!sel || sel->is_member(id)) {
            work->ids.push_back(id);
            work->codes.insert(work->codes.end(), code, code + code_size);
        }
    }
    return work->ids.size();
}

size_t IVFSDCScanner::iterate_codes(
        faiss::InvertedListsIterator* iterator,
        float* distances,
        idx_t* labels,
        size_t k,
        size_t& list_size) const {
    size_t nup = 0;
    list_size = 0;
    while (const size_t n = take_batch(iterator)) {
        list_size += n;
        if (!iterator->has_search_callbacks_) {
            nup += scan_codes(
                    n,
                    work->codes.data(),
                    work->ids.data(),
                    distances,
                    labels,
                    k);
            continue;
        }
        float found[kBlock];
        get_distances(work->codes.data(), n, found);
        for (size_t i = 0; i < n; i++) {
            const idx_t id = work->ids[i];
            iterator->on_distance_computed(id, found[i]);
            if (is_better(found[i], distances[0])) {
                iterator->on_heap_changed(id, labels[0]);
                const uint8_t* code = work->codes.data() + i * code_size;
                nup += scan_codes(1, code, &id, distances, labels, k);
            }
        }
    }
    return nup;
}

void IVFSDCScanner::iterate_codes_range(
        faiss::InvertedListsIterator* iterator,
        float radius,
        faiss::RangeQueryResult& result,
        size_t& list_size) const {
    list_size = 0;
    while (const size_t n = take_batch(iterator)) {
        list_size += n;
        float found[kBlock];
        get_distances(work->codes.data(), n, found);
        for (size_t i = 0; i < n; i++) {
            if (is_better(found[i], radius)) {
                result.add(found[i], work->ids[i]);
                result.stats.nheap_updates++;
            }
        }
    }
}

} // namespace faiss_bebr
