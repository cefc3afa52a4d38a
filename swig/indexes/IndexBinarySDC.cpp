#include "indexes/IndexBinarySDC.h"

#include "codes/check_arguments.h"
#include "indexes/BinaryBlock.h"
#include "indexes/BinaryCodeBlock.h"
#include "indexes/block_scan.h"
#include "indexes/compact_rows.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>

#include <cstring>
#include <memory>
#include <typeinfo>

namespace faiss_bebr {

IndexBinarySDC::IndexBinarySDC(
        idx_t d_in,
        int nbits_in,
        faiss::MetricType metric)
        : IndexBinary(d_in, metric), nbits(nbits_in) {
    check_binary_shape(d_in, nbits, metric);
    layout = PlaneLayout::uniform(static_cast<int>(d_in / nbits), nbits);
}

void IndexBinarySDC::add(idx_t n, const uint8_t* x) {
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    check_owned(codes);
    if (n > 0) {
        codes.resize((ntotal + n) * code_size);
        std::memcpy(codes.data() + ntotal * code_size, x, n * code_size);
        ntotal += n;
    }
}

void IndexBinarySDC::add_sa_codes(
        idx_t n,
        const uint8_t* codes_in,
        const idx_t* /* xids */) {
    add(n, codes_in);
}

void IndexBinarySDC::reset() {
    codes = faiss::MaybeOwnedVector<uint8_t>();
    ntotal = 0;
}

void IndexBinarySDC::reconstruct(idx_t key, uint8_t* recons) const {
    reconstruct_n(key, 1, recons);
}

void IndexBinarySDC::reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons) const {
    check_id_range(i0, ni, ntotal);
    if (ni > 0) {
        std::memcpy(recons, codes.data() + i0 * code_size, ni * code_size);
    }
}

size_t IndexBinarySDC::remove_ids(const faiss::IDSelector& sel) {
    check_owned(codes);
    const idx_t kept = compact_rows(codes.data(), code_size, ntotal, sel);
    const size_t nremove = ntotal - kept;
    ntotal = kept;
    codes.resize(ntotal * code_size);
    return nremove;
}

void IndexBinarySDC::check_compatible_for_merge(
        const faiss::IndexBinary& otherIndex) const {
    const auto* other = dynamic_cast<const IndexBinarySDC*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(
            other && typeid(*this) == typeid(*other),
            "can only merge indexes of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "cannot merge an index into itself");
    FAISS_THROW_IF_NOT_FMT(
            layout == other->layout,
            "codes differ: m and nbits are %d and %d here, %d and %d there",
            layout.dim(),
            nbits,
            other->layout.dim(),
            other->nbits);
    FAISS_THROW_IF_NOT_MSG(metric_type == other->metric_type, "metrics differ");
}

void IndexBinarySDC::merge_from(faiss::IndexBinary& otherIndex, idx_t add_id) {
    FAISS_THROW_IF_NOT_MSG(add_id == 0, "cannot set ids in IndexBinarySDC");
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexBinarySDC&>(otherIndex);
    add(other.ntotal, other.codes.data());
    other.reset();
}

namespace {

/// none where queries are compared as they were given
BinaryQueries make_queries(
        const BinaryDistance& distance,
        idx_t n,
        const uint8_t* x) {
    return {distance, BinaryCodeBlock::is_for(distance, n) ? 0 : size_t(n), x};
}

/// @param x  the queries as they were given
ScanTask<int32_t> make_task(
        const BinaryDistance& distance,
        const BinaryQueries& queries,
        idx_t nq,
        const uint8_t* x,
        const IndexBinarySDC& index,
        const faiss::SearchParameters* params) {
    FAISS_THROW_IF_NOT_MSG(
            !params || typeid(*params) == typeid(faiss::SearchParameters),
            "IndexBinarySDC takes SearchParameters, not those of other types");
    const auto make_block = [=, &distance, &queries, &index]()
            -> std::unique_ptr<DocumentBlock<int32_t>> {
        const uint8_t* codes = index.codes.data();
        if (BinaryCodeBlock::is_for(distance, nq)) {
            return std::make_unique<BinaryCodeBlock>(distance, x, codes);
        }
        return make_binary_block(distance, &queries, codes);
    };
    return {size_t(nq),
            index.ntotal,
            params ? params->sel : nullptr,
            distance.block_size(),
            distance.ops_per_pair(),
            make_block};
}

} // namespace

void IndexBinarySDC::search(
        idx_t n,
        const uint8_t* x,
        idx_t k,
        int32_t* distances,
        idx_t* labels,
        const faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_FMT(k > 0, "k must be positive, got %d", int(k));
    const BinaryDistance distance = {layout, metric_type};
    const BinaryQueries queries = make_queries(distance, n, x);
    const auto task = make_task(distance, queries, n, x, *this, params);
    scan_knn(task, k, distances, labels);
    distance.keys_to_distances(n * k, distances);
}

void IndexBinarySDC::range_search(
        idx_t n,
        const uint8_t* x,
        int radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params) const {
    const BinaryDistance distance = {layout, metric_type};
    const BinaryQueries queries = make_queries(distance, n, x);
    scan_range<int32_t>(
            make_task(distance, queries, n, x, *this, params),
            distance.radius_to_key(radius),
            [&distance](int32_t key) { return distance.key_to_float(key); },
            result);
}

} // namespace faiss_bebr
