#include "indexes/flat_search.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/ResultHandler.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace faiss_bebr {

FlatQueries::FlatQueries(const SDCQuantizer& sdc_in, size_t n, const float* x)
        : sdc(sdc_in),
          levels(sdc, n, x),
          table_kernels(find_table_kernels(sdc.layout, n)) {
    if (table_kernels) {
        tables = std::make_unique<TableQueries>(
                TableQueries::Kind::bounds,
                *table_kernels,
                sdc,
                sdc.layout,
                levels);
    }
}

FlatQueries::FlatQueries(
        const SDCQuantizer& sdc_in,
        size_t n,
        const float* x,
        const PlaneLayout& first_planes)
        : sdc(sdc_in),
          levels(sdc, n, x),
          table_kernels(&get_any_table_kernels()),
          tables(std::make_unique<TableQueries>(
                  TableQueries::Kind::estimates,
                  *table_kernels,
                  sdc,
                  first_planes,
                  levels)) {}

void set_estimates(ScanTask<float>& task) {
    task.seen_before_sparse = 0;
    // of the first block, for which there are no thresholds yet
    task.block_size = 64;
}

idx_t get_batch_size(const SDCQuantizer& sdc, idx_t n, idx_t k) {
    constexpr size_t max_batch = 4096;
    constexpr size_t max_results = 1 << 20;
    constexpr size_t max_bytes = 1 << 26; // of tables
    // those of six bits are larger than those of four
    const size_t nbytes = get_table_size(6, sdc.layout.code_size());
    return std::min(
            {size_t(n),
             max_batch,
             std::max<size_t>(max_results / k, 256),
             std::max<size_t>(max_bytes / nbytes, 256),
             get_query_batch(sdc)});
}

void check_batches(
        const SDCQuantizer& sdc,
        idx_t n,
        idx_t batch,
        const float* x) {
    if (batch < n) {
        check_queries(sdc, n, x);
    }
}

void search_flat(
        const SDCQuantizer& sdc,
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const MakeFlatTask& make_task) {
    const idx_t batch = get_batch_size(sdc, n, k);
    check_batches(sdc, n, batch, x);
    for (idx_t i = 0; i < n; i += batch) {
        const FlatQueries queries(
                sdc, std::min(batch, n - i), x + i * sdc.dim());
        scan_knn(make_task(queries), k, distances + i * k, labels + i * k);
    }
    for (idx_t i = 0; i < n * k; i++) {
        distances[i] = key_to_distance(sdc.metric_type, distances[i]);
    }
}

void range_search_flat(
        const SDCQuantizer& sdc,
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const MakeFlatTask& make_task) {
    FAISS_THROW_IF_NOT_MSG(!std::isnan(radius), "radius is NaN");
    const idx_t batch = get_batch_size(sdc, n, 1);
    check_batches(sdc, n, batch, x);
    const auto scan = [&](idx_t i, idx_t ni, faiss::RangeSearchResult* found) {
        const FlatQueries queries(sdc, ni, x + i * sdc.dim());
        scan_range<float>(
                make_task(queries),
                sdc.metric_type == faiss::METRIC_L2 ? radius : -radius,
                [&](float key) {
                    return key_to_distance(sdc.metric_type, key);
                },
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

void search1_flat(
        const SDCQuantizer& sdc,
        idx_t ntotal,
        const float* x,
        const faiss::IDSelector* sel,
        faiss::DistanceComputer& computer,
        faiss::ResultHandler& handler) {
    check_queries(sdc, 1, x); // the computer has no errors
    computer.set_query(x);
    for (idx_t i = 0; i < ntotal; i++) {
        if (!sel || sel->is_member(i)) {
            const float distance = computer(i);
            const bool is_better = sdc.metric_type == faiss::METRIC_L2
                    ? distance < handler.threshold
                    : distance > handler.threshold;
            if (is_better) {
                handler.add_result(distance, i);
            }
        }
    }
}

} // namespace faiss_bebr
