#include "indexes/IndexSDC.h"

#include "codes/check_arguments.h"
#include "indexes/SDCBlock.h"
#include "indexes/SDCDistanceComputer.h"
#include "indexes/block_scan.h"
#include "indexes/compact_rows.h"
#include "indexes/sdc_queries.h"
#include "indexes/two_pass_search.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/ResultHandler.h>

#include <cmath>
#include <memory>
#include <typeinfo>

namespace faiss_bebr {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;

IndexSDC::IndexSDC(const SDCQuantizer& sdc_in) : sdc(sdc_in) {
    d = sdc.dim();
    metric_type = sdc.metric_type;
    code_size = sdc.code_size();
}

IndexSDC::IndexSDC(
        const std::vector<int>& plane_widths,
        faiss::MetricType metric)
        : IndexSDC(SDCQuantizer(plane_widths, metric)) {}

IndexSDC::IndexSDC(int m, int nbits, faiss::MetricType metric)
        : IndexSDC(PlaneLayout::uniform(m, nbits).plane_widths, metric) {}

IndexSDC::IndexSDC(
        const BinarizerTransform& binarizer_in,
        int nbits,
        faiss::MetricType metric)
        : IndexSDC(SDCQuantizer(binarizer_in, nbits, metric)) {
    is_trained = false;
    link_binarizer(binarizer_in);
}

void IndexSDC::link_binarizer(const BinarizerTransform& binarizer_in) {
    FAISS_THROW_IF_NOT_MSG(
            !is_trained && ntotal == 0,
            "only an untrained and empty index is linked to a binarizer");
    sdc.check_first_planes(binarizer_in);
    binarizer = &binarizer_in;
    if (binarizer->is_trained) {
        train(0, nullptr);
    }
}

void IndexSDC::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes belong to the present query map");
    sdc.set_query_map(weight, offset);
}

void IndexSDC::set_scale_type(ScaleType type) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present type of scale");
    sdc.scale_type = type;
}

void IndexSDC::train(idx_t n, const float* x) {
    if (is_trained) {
        return;
    }
    if (!binarizer) {
        FAISS_THROW_IF_NOT_MSG(n > 0, "no training vectors");
        sdc.train_range(n, x);
        is_trained = true;
        return;
    }
    sdc.take_query_map(*binarizer);
    binarizer = nullptr;
    is_trained = true;
}

void IndexSDC::add(idx_t n, const float* x) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    std::vector<uint8_t> fresh(n * code_size);
    sa_encode(n, x, fresh.data());
    add_sa_codes(n, fresh.data(), nullptr);
}

void IndexSDC::add_sa_codes(
        idx_t n,
        const uint8_t* codes_in,
        const idx_t* xids) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    check_owned(codes);
    IndexFlatCodes::add_sa_codes(n, codes_in, xids);
}

void IndexSDC::reset() {
    codes = faiss::MaybeOwnedVector<uint8_t>();
    ntotal = 0;
}

size_t IndexSDC::remove_ids(const faiss::IDSelector& sel) {
    check_owned(codes);
    const idx_t kept = compact_rows(codes.data(), code_size, ntotal, sel);
    const size_t nremove = ntotal - kept;
    ntotal = kept;
    codes.resize(ntotal * code_size);
    return nremove;
}

void IndexSDC::sa_encode(idx_t n, const float* x, uint8_t* bytes) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    sdc.compute_codes(x, bytes, n);
}

void IndexSDC::sa_decode(idx_t n, const uint8_t* bytes, float* x) const {
    sdc.decode(bytes, x, n);
}

void IndexSDC::reconstruct_n(idx_t i0, idx_t ni, float* recons) const {
    check_id_range(i0, ni, ntotal);
    sa_decode(ni, codes.data() + i0 * code_size, recons);
}

void IndexSDC::quantize_queries(idx_t n, const float* x, float* q) const {
    LevelQueries(sdc, n, x).decode(sdc, q);
}

void IndexSDC::check_compatible_for_merge(
        const faiss::Index& otherIndex) const {
    const auto* other = dynamic_cast<const IndexSDC*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(
            other && typeid(*this) == typeid(*other),
            "can only merge indexes of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "cannot merge an index into itself");
    sdc.check_compatible(other->sdc);
}

void IndexSDC::merge_from(faiss::Index& otherIndex, idx_t add_id) {
    FAISS_THROW_IF_NOT_MSG(add_id == 0, "cannot set ids in IndexSDC");
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexSDC&>(otherIndex);
    add_sa_codes(other.ntotal, other.codes.data(), nullptr);
    other.reset();
}

namespace {

/// what a search has to do, checked
SearchParametersSDC get_parameters(
        const IndexSDC& index,
        const faiss::SearchParameters* params) {
    SearchParametersSDC found;
    found.k_factor = index.k_factor;
    found.first_nbits = index.first_nbits;
    if (params) {
        const auto* own = dynamic_cast<const SearchParametersSDC*>(params);
        FAISS_THROW_IF_NOT_MSG(
                own || typeid(*params) == typeid(faiss::SearchParameters),
                "IndexSDC takes SearchParametersSDC, not those of other types");
        found.sel = params->sel;
        found.k_factor = own ? own->k_factor : found.k_factor;
        found.first_nbits = own ? own->first_nbits : found.first_nbits;
    }
    FAISS_THROW_IF_NOT_FMT(
            found.k_factor >= 1 && std::isfinite(found.k_factor),
            "k_factor must be at least 1 and finite, got %g",
            found.k_factor);
    const int nplanes = index.sdc.layout.nplanes();
    FAISS_THROW_IF_NOT_FMT(
            found.first_nbits >= 1 && found.first_nbits <= nplanes,
            "first_nbits must be in 1..%d, got %d",
            nplanes,
            found.first_nbits);
    return found;
}

ScanTask<float> make_task(
        const IndexSDC& index,
        const LevelQueries& queries,
        const faiss::IDSelector* sel) {
    const size_t block_size = get_block_size(index.d);
    return {queries.step.size(),
            index.ntotal,
            sel,
            block_size,
            size_t(index.d),
            [&index, &queries, block_size]() {
                return std::make_unique<SDCBlock>(
                        index.sdc, queries, index.codes.data(), block_size);
            }};
}

} // namespace

void IndexSDC::search(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const faiss::SearchParameters* params_in) const {
    FAISS_THROW_IF_NOT_FMT(k > 0, "k must be positive, got %d", int(k));
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const SearchParametersSDC params = get_parameters(*this, params_in);
    const double ncandidates = double(k) * params.k_factor;
    if (params.k_factor > 1 && ncandidates < double(ntotal)) {
        search_in_two_passes(
                *this,
                n,
                x,
                params.first_nbits,
                idx_t(ncandidates),
                params.sel,
                k,
                distances,
                labels);
    } else {
        const LevelQueries queries(sdc, n, x);
        scan_knn(make_task(*this, queries, params.sel), k, distances, labels);
    }
    for (idx_t i = 0; i < n * k; i++) {
        distances[i] = key_to_distance(metric_type, distances[i]);
    }
}

void IndexSDC::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params_in) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(!std::isnan(radius), "radius is NaN");
    const SearchParametersSDC params = get_parameters(*this, params_in);
    const LevelQueries queries(sdc, n, x);
    scan_range<float>(
            make_task(*this, queries, params.sel),
            metric_type == METRIC_L2 ? radius : -radius,
            [this](float key) { return key_to_distance(metric_type, key); },
            result);
}

faiss::FlatCodesDistanceComputer* IndexSDC::get_FlatCodesDistanceComputer()
        const {
    return new SDCDistanceComputer(sdc, codes.data());
}

void IndexSDC::search1(
        const float* x,
        faiss::ResultHandler& handler,
        faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const faiss::IDSelector* sel = get_parameters(*this, params).sel;
    check_queries(sdc, 1, x); // the computer has no errors
    SDCDistanceComputer computer(sdc, codes.data());
    computer.set_query(x);
    for (idx_t i = 0; i < ntotal; i++) {
        if (!sel || sel->is_member(i)) {
            const float distance = computer(i);
            const bool is_better = metric_type == METRIC_L2
                    ? distance < handler.threshold
                    : distance > handler.threshold;
            if (is_better) {
                handler.add_result(distance, i);
            }
        }
    }
}

} // namespace faiss_bebr
