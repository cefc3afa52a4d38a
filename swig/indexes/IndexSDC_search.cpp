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

#include <memory>

namespace faiss_bebr {

namespace {

/// how its codes are compared with queries
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
    if (queries.has_estimates()) {
        set_estimates(task);
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
    const SearchParametersSDC params =
            get_parameters(sdc, k_factor, first_nbits, params_in);
    const MakeFlatTask make_own_task = [&](const FlatQueries& queries) {
        return make_task(*this, queries, params.sel);
    };
    const TwoPasses passes(sdc, params, k, ntotal);
    if (passes.ncandidates == 0) {
        search_flat(sdc, n, x, k, distances, labels, make_own_task);
        return;
    }
    const uint8_t* all_codes = codes.data();
    const FindCodes find_codes = [&](const idx_t* ids,
                                     size_t count,
                                     std::vector<uint8_t>& /* memory */,
                                     const uint8_t** rows) {
        for (size_t j = 0; j < count; j++) {
            rows[j] = all_codes + ids[j] * code_size;
        }
    };
    search_in_two_passes(
            sdc, passes, n, x, k, distances, labels, make_own_task, find_codes);
}

void IndexSDC::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params_in) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const SearchParametersSDC params =
            get_parameters(sdc, k_factor, first_nbits, params_in);
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
    const faiss::IDSelector* sel =
            get_parameters(sdc, k_factor, first_nbits, params).sel;
    SDCDistanceComputer computer(sdc, codes.data());
    search1_flat(sdc, ntotal, x, sel, computer, handler);
}

} // namespace faiss_bebr
