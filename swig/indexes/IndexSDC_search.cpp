// The searches of IndexSDC.

#include "codes/check_arguments.h"
#include "indexes/BoundBlock.h"
#include "indexes/IndexSDC.h"
#include "indexes/SDCBlock.h"
#include "indexes/SDCDistanceComputer.h"
#include "indexes/flat_search.h"
#include "indexes/sdc_queries.h"
#include "indexes/two_pass_search.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>

#include <cmath>
#include <memory>
#include <typeinfo>

namespace faiss_bebr {

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

/// how its codes are compared with queries, without the first pass
ScanTask<float> make_task(
        const IndexSDC& index,
        const FlatQueries& queries,
        const faiss::IDSelector* sel) {
    const uint8_t* codes = index.codes.data();
    const size_t block_size = get_block_size(index.d);
    ScanTask<float> task = {
            queries.size(),
            index.ntotal,
            sel,
            block_size,
            size_t(index.d),
            [&index, &queries, codes, block_size]() {
                return std::make_unique<SDCBlock>(
                        index.sdc, queries.levels, codes, block_size);
            }};
    if (queries.tables) {
        const BoundScan bounds = {
                index.sdc,
                queries.levels,
                *queries.tables,
                *queries.table_kernels,
                codes};
        task.sparse_block_size = bounds.get_block_size();
        task.make_sparse_block = [bounds]() {
            return make_bound_block(bounds);
        };
    }
    return task;
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
        for (idx_t i = 0; i < n * k; i++) {
            distances[i] = key_to_distance(metric_type, distances[i]);
        }
        return;
    }
    search_flat(
            sdc, n, x, k, distances, labels, [&](const FlatQueries& queries) {
                return make_task(*this, queries, params.sel);
            });
}

void IndexSDC::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params_in) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const SearchParametersSDC params = get_parameters(*this, params_in);
    range_search_flat(
            sdc, n, x, radius, result, [&](const FlatQueries& queries) {
                return make_task(*this, queries, params.sel);
            });
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
    SDCDistanceComputer computer(sdc, codes.data());
    search1_flat(sdc, ntotal, x, sel, computer, handler);
}

} // namespace faiss_bebr
