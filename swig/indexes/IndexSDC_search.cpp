// The searches of IndexSDC.

#include "codes/check_arguments.h"
#include "indexes/BoundBlock.h"
#include "indexes/IndexSDC.h"
#include "indexes/SDCBlock.h"
#include "indexes/SDCDistanceComputer.h"
#include "indexes/TableQueries.h"
#include "indexes/block_scan.h"
#include "indexes/sdc_queries.h"
#include "indexes/two_pass_search.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/ResultHandler.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <typeinfo>

namespace faiss_bebr {

using faiss::METRIC_L2;

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

/// Queries, and how they are compared with the codes of an index.
struct Scan {
    const IndexSDC& index;
    const LevelQueries queries;
    const TableKernels* const table_kernels; ///< nullptr: without tables
    std::unique_ptr<TableQueries> tables;

    Scan(const IndexSDC& index_in, size_t n, const float* x)
            : index(index_in),
              queries(index.sdc, n, x),
              table_kernels(get_table_kernels()) {
        if (table_kernels && has_use_for_tables(index.sdc.layout, n)) {
            tables = std::make_unique<TableQueries>(
                    *table_kernels, index.sdc, queries);
        }
    }

    ScanTask<float> make_task(const faiss::IDSelector* sel) const {
        const size_t block_size = get_block_size(index.d);
        ScanTask<float> task = {
                queries.step.size(),
                index.ntotal,
                sel,
                block_size,
                size_t(index.d),
                [this, block_size]() {
                    return std::make_unique<SDCBlock>(
                            index.sdc, queries, index.codes.data(), block_size);
                }};
        if (tables) {
            const BoundScan bounds = {
                    index.sdc,
                    queries,
                    *tables,
                    *table_kernels,
                    index.codes.data()};
            task.sparse_block_size = bounds.get_block_size();
            task.make_sparse_block = [bounds]() {
                return make_bound_block(bounds);
            };
        }
        return task;
    }
};

/// how many queries are searched at once: more would fill the memory with
/// tables and results
idx_t get_batch_size(const SDCQuantizer& sdc, idx_t n, idx_t k) {
    constexpr size_t max_batch = 4096;
    constexpr size_t max_results = 1 << 20;
    constexpr size_t max_rows = 1 << 20; // of tables
    const size_t nrows = get_num_table_rows(sdc.layout.code_size());
    return std::min(
            {size_t(n),
             max_batch,
             std::max<size_t>(max_results / k, 256),
             std::max<size_t>(max_rows / nrows, 256),
             get_query_batch(sdc)});
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
        check_queries(sdc, n, x);
        const idx_t batch = get_batch_size(sdc, n, k);
        for (idx_t i = 0; i < n; i += batch) {
            const Scan scan(*this, std::min(batch, n - i), x + i * d);
            scan_knn(
                    scan.make_task(params.sel),
                    k,
                    distances + i * k,
                    labels + i * k);
        }
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
    check_queries(sdc, n, x);
    const idx_t batch = get_batch_size(sdc, n, 1);
    const auto scan = [&](idx_t i, idx_t ni, faiss::RangeSearchResult* found) {
        const Scan scan_of_part(*this, ni, x + i * d);
        scan_range<float>(
                scan_of_part.make_task(params.sel),
                metric_type == METRIC_L2 ? radius : -radius,
                [this](float key) { return key_to_distance(metric_type, key); },
                found);
    };
    if (batch == n) {
        scan(0, n, result);
        return;
    }
    std::vector<std::unique_ptr<faiss::RangeSearchResult>> parts;
    for (idx_t i = 0; i < n; i += batch) {
        const idx_t ni = std::min(batch, n - i);
        parts.push_back(std::make_unique<faiss::RangeSearchResult>(ni));
        scan(i, ni, parts.back().get());
        for (idx_t q = 0; q < ni; q++) {
            const size_t* lims = parts.back()->lims;
            result->lims[i + q] = lims[q + 1] - lims[q];
        }
    }
    result->do_allocation();
    for (size_t p = 0; p < parts.size(); p++) {
        const size_t offset = result->lims[p * batch];
        const size_t size = parts[p]->lims[parts[p]->nq];
        std::copy_n(parts[p]->distances, size, result->distances + offset);
        std::copy_n(parts[p]->labels, size, result->labels + offset);
    }
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
