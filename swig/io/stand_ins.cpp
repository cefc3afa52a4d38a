#include "io/stand_ins.h"

#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissAssert.h>

namespace faiss_bebr {

StandInIndex::StandInIndex(const faiss::Index* part_in)
        : IndexPreTransform(new faiss::IndexFlat(part_in->d)), part(part_in) {
    own_fields = true;
    ntotal = part->ntotal;
    is_trained = part->is_trained;
    metric_type = part->metric_type;
    metric_arg = part->metric_arg;
}

void StandInIndex::search(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const faiss::SearchParameters* params) const {
    part->search(n, x, k, distances, labels, params);
}

void StandInIndex::search1(
        const float* x,
        faiss::ResultHandler& handler,
        faiss::SearchParameters* params) const {
    part->search1(x, handler, params);
}

void StandInIndex::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params) const {
    part->range_search(n, x, radius, result, params);
}

void StandInIndex::assign(idx_t n, const float* x, idx_t* labels, idx_t k)
        const {
    part->assign(n, x, labels, k);
}

void StandInIndex::reconstruct(idx_t key, float* recons) const {
    part->reconstruct(key, recons);
}

void StandInIndex::reconstruct_batch(idx_t n, const idx_t* keys, float* recons)
        const {
    part->reconstruct_batch(n, keys, recons);
}

void StandInIndex::reconstruct_n(idx_t i0, idx_t ni, float* recons) const {
    part->reconstruct_n(i0, ni, recons);
}

void StandInIndex::search_and_reconstruct(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        float* recons,
        const faiss::SearchParameters* params) const {
    part->search_and_reconstruct(n, x, k, distances, labels, recons, params);
}

void StandInIndex::search_subset(
        idx_t n,
        const float* x,
        idx_t k_base,
        const idx_t* base_labels,
        idx_t k,
        float* distances,
        idx_t* labels) const {
    part->search_subset(n, x, k_base, base_labels, k, distances, labels);
}

void StandInIndex::compute_residual(const float* x, float* residual, idx_t key)
        const {
    part->compute_residual(x, residual, key);
}

void StandInIndex::compute_residual_n(
        idx_t n,
        const float* xs,
        float* residuals,
        const idx_t* keys) const {
    part->compute_residual_n(n, xs, residuals, keys);
}

faiss::DistanceComputer* StandInIndex::get_distance_computer() const {
    return part->get_distance_computer();
}

size_t StandInIndex::sa_code_size() const {
    return part->sa_code_size();
}

void StandInIndex::sa_encode(idx_t n, const float* x, uint8_t* bytes) const {
    part->sa_encode(n, x, bytes);
}

void StandInIndex::sa_decode(idx_t n, const uint8_t* bytes, float* x) const {
    part->sa_decode(n, bytes, x);
}

StandInIndexBinary::StandInIndexBinary(const faiss::IndexBinary* part_in)
        : IndexBinaryFromFloat(new faiss::IndexFlat(part_in->d)),
          part(part_in) {
    own_fields = true;
    ntotal = part->ntotal;
    is_trained = part->is_trained;
    metric_type = part->metric_type;
}

void StandInIndexBinary::search(
        idx_t n,
        const uint8_t* x,
        idx_t k,
        int32_t* distances,
        idx_t* labels,
        const faiss::SearchParameters* params) const {
    part->search(n, x, k, distances, labels, params);
}

void StandInIndexBinary::range_search(
        idx_t n,
        const uint8_t* x,
        int radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params) const {
    part->range_search(n, x, radius, result, params);
}

void StandInIndexBinary::reconstruct(idx_t key, uint8_t* recons) const {
    part->reconstruct(key, recons);
}

void StandInIndexBinary::reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons)
        const {
    part->reconstruct_n(i0, ni, recons);
}

void StandInIndexBinary::search_and_reconstruct(
        idx_t n,
        const uint8_t* x,
        idx_t k,
        int32_t* distances,
        idx_t* labels,
        uint8_t* recons,
        const faiss::SearchParameters* params) const {
    part->search_and_reconstruct(n, x, k, distances, labels, recons, params);
}

StandInTransform::StandInTransform(const faiss::VectorTransform* part_in)
        : part(part_in) {
    d_in = part->d_in;
    d_out = part->d_out;
    is_trained = part->is_trained;
    map.assign(d_out, -1);
}

void StandInTransform::apply_noalloc(idx_t n, const float* x, float* xt) const {
    part->apply_noalloc(n, x, xt);
}

void StandInTransform::reverse_transform(idx_t n, const float* xt, float* x)
        const {
    part->reverse_transform(n, xt, x);
}

void StandInTransform::check_identical(
        const faiss::VectorTransform& other) const {
    part->check_identical(other);
}

void set_transform(
        faiss::IndexPreTransform* index,
        size_t i,
        faiss::VectorTransform* transform) {
    FAISS_THROW_IF_NOT_FMT(
            i < index->chain.size(),
            "there are %zd transforms, no transform %zd",
            index->chain.size(),
            i);
    index->chain[i] = transform;
}

} // namespace faiss_bebr
