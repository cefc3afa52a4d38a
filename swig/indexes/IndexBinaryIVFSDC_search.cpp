// The searches of IndexBinaryIVFSDC, and the way back to codes.

#include "codes/check_arguments.h"
#include "indexes/BinaryBlock.h"
#include "indexes/IndexBinaryIVFSDC.h"
#include "indexes/ivf_entries.h"
#include "indexes/list_scan.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <omp.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <typeinfo>
#include <vector>

namespace faiss_bebr {

using faiss::InvertedLists;
using faiss::SearchParameters;
using faiss::SearchParametersIVF;

namespace {

/// What the parameters of a search and the fields of the index say.
struct Settings {
    size_t nprobe;
    size_t max_codes;
    const faiss::IDSelector* sel = nullptr;
    const SearchParameters* quantizer_params = nullptr;

    Settings(const IndexBinaryIVFSDC& index, const SearchParameters* params)
            : nprobe(index.nprobe), max_codes(index.max_codes) {
        if (params) {
            sel = params->sel;
            take(*params);
        }
        FAISS_THROW_IF_NOT_MSG(nprobe > 0, "nprobe must be positive");
        nprobe = std::min(nprobe, index.nlist);
    }

    void take(const SearchParameters& params) {
        if (typeid(params) == typeid(SearchParameters)) {
            return;
        }
        const auto* ivf = dynamic_cast<const SearchParametersIVF*>(&params);
        FAISS_THROW_IF_NOT_MSG(ivf, "params must be SearchParametersIVF");
        FAISS_THROW_IF_NOT_MSG(
                ivf->max_lists_num == 0 && !ivf->ensure_topk_full &&
                        ivf->max_empty_result_buckets == 0 &&
                        !ivf->inverted_list_context,
                "of SearchParametersIVF this index takes nprobe, max_codes, "
                "sel and quantizer_params");
        nprobe = ivf->nprobe;
        max_codes = ivf->max_codes;
        quantizer_params = ivf->quantizer_params;
    }
};

/// Adds the time of its life to a field of the statistics, in ms.
struct Timer {
    double& sum;
    const double start = omp_get_wtime();

    explicit Timer(double& sum_in) : sum(sum_in) {}
    ~Timer() {
        sum += 1000 * (omp_get_wtime() - start);
    }
};

/// A search of n queries in the lists of the index.
struct Search {
    const IndexBinaryIVFSDC& index;
    const Settings settings;
    const BinaryDistance distance;
    const idx_t n;
    const uint8_t* x;
    std::vector<idx_t> found; ///< by the quantizer
    faiss::IndexIVFStats stats;

    Search(const IndexBinaryIVFSDC& index_in,
           const SearchParameters* params,
           idx_t n_in,
           const uint8_t* x_in)
            : index(index_in),
              settings(index, params),
              distance{index.layout, index.metric_type},
              n(n_in),
              x(x_in) {}

    /// @return  the list numbers, n * nprobe
    const idx_t* find_lists() {
        const Timer timer(stats.quantization_time);
        found.resize(n * settings.nprobe);
        std::vector<int32_t> centroid_dis(found.size());
        index.quantizer->search(
                n,
                x,
                settings.nprobe,
                centroid_dis.data(),
                found.data(),
                settings.quantizer_params);
        index.invlists->prefetch_lists(
                found.data(), int(std::min<size_t>(found.size(), INT_MAX)));
        return found.data();
    }

    /// @param labels, places  either may be nullptr
    void run(
            const idx_t* assign,
            idx_t k,
            int32_t* distances,
            idx_t* labels,
            idx_t* places) {
        const Timer timer(stats.search_time);
        scan_lists_knn(make_task(assign), k, distances, labels, places, stats);
        distance.keys_to_distances(n * k, distances);
    }

    void run_range(
            const idx_t* assign,
            int radius,
            faiss::RangeSearchResult* result) {
        const Timer timer(stats.search_time);
        scan_lists_range(
                make_task(assign),
                distance.radius_to_key(radius),
                result,
                stats);
    }

   private:
    ListScanTask make_task(const idx_t* assign) const {
        return {distance,
                size_t(n),
                x,
                *index.invlists,
                assign,
                settings.nprobe,
                settings.max_codes,
                settings.sel};
    }
};

void check_k(idx_t k) {
    FAISS_THROW_IF_NOT_FMT(k > 0, "k must be positive, got %d", int(k));
}

} // namespace

void IndexBinaryIVFSDC::search(
        idx_t n,
        const uint8_t* x,
        idx_t k,
        int32_t* distances,
        idx_t* labels,
        const SearchParameters* params) const {
    check_ready();
    check_k(k);
    Search search(*this, params, n, x);
    search.run(search.find_lists(), k, distances, labels, nullptr);
    faiss::indexIVF_stats.add(search.stats);
}

void IndexBinaryIVFSDC::search_preassigned(
        idx_t n,
        const uint8_t* x,
        idx_t k,
        const idx_t* assign,
        const int32_t* /* centroid_dis */,
        int32_t* distances,
        idx_t* labels,
        bool store_pairs,
        const faiss::IVFSearchParameters* params) const {
    check_ready();
    check_k(k);
    Search search(*this, params, n, x);
    search.run(
            assign,
            k,
            distances,
            store_pairs ? nullptr : labels,
            store_pairs ? labels : nullptr);
    faiss::indexIVF_stats.add(search.stats);
}

void IndexBinaryIVFSDC::range_search(
        idx_t n,
        const uint8_t* x,
        int radius,
        faiss::RangeSearchResult* result,
        const SearchParameters* params) const {
    check_ready();
    Search search(*this, params, n, x);
    search.run_range(search.find_lists(), radius, result);
    faiss::indexIVF_stats.add(search.stats);
}

void IndexBinaryIVFSDC::range_search_preassigned(
        idx_t n,
        const uint8_t* x,
        int radius,
        const idx_t* assign,
        const int32_t* /* centroid_dis */,
        faiss::RangeSearchResult* result,
        const faiss::IVFSearchParameters* params) const {
    check_ready();
    Search search(*this, params, n, x);
    search.run_range(assign, radius, result);
    faiss::indexIVF_stats.add(search.stats);
}

void IndexBinaryIVFSDC::search_and_reconstruct(
        idx_t n,
        const uint8_t* x,
        idx_t k,
        int32_t* distances,
        idx_t* labels,
        uint8_t* recons,
        const SearchParameters* params) const {
    check_ready();
    check_k(k);
    Search search(*this, params, n, x);
    std::vector<idx_t> places(n * k);
    search.run(search.find_lists(), k, distances, labels, places.data());
    for (idx_t i = 0; i < n * k; i++) {
        uint8_t* code = recons + i * code_size;
        if (places[i] < 0) {
            std::memset(code, 255, code_size);
        } else {
            reconstruct_from_offset(
                    faiss::lo_listno(places[i]),
                    faiss::lo_offset(places[i]),
                    code);
        }
    }
    faiss::indexIVF_stats.add(search.stats);
}

void IndexBinaryIVFSDC::reconstruct(idx_t key, uint8_t* recons) const {
    FAISS_THROW_IF_NOT_MSG(
            !direct_map.no(),
            "reconstruct needs a direct map: make_direct_map");
    const idx_t place = direct_map.get(key);
    reconstruct_from_offset(
            faiss::lo_listno(place), faiss::lo_offset(place), recons);
}

void IndexBinaryIVFSDC::reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons)
        const {
    check_id_range(i0, ni, ntotal);
    check_ready();
    std::vector<idx_t> places(ni, -1);
    find_places(*invlists, i0, places);
    for (idx_t i = 0; i < ni; i++) {
        reconstruct_from_offset(
                faiss::lo_listno(places[i]),
                faiss::lo_offset(places[i]),
                recons + i * code_size);
    }
}

void IndexBinaryIVFSDC::reconstruct_from_offset(
        idx_t list_no,
        idx_t offset,
        uint8_t* recons) const {
    FAISS_THROW_IF_NOT_MSG(invlists, "the index has no inverted lists");
    FAISS_THROW_IF_NOT_FMT(
            list_no >= 0 && list_no < idx_t(nlist) && offset >= 0 &&
                    offset < idx_t(invlists->list_size(list_no)),
            "list %zd has no entry %zd",
            size_t(list_no),
            size_t(offset));
    std::memcpy(
            recons,
            InvertedLists::ScopedCodes(invlists, list_no, offset).codes,
            code_size);
}

} // namespace faiss_bebr
