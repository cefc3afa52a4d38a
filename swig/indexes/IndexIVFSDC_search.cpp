// The searches of IndexIVFSDC, and the way back to vectors.

#include "codes/check_arguments.h"
#include "indexes/IVFSDCScanner.h"
#include "indexes/IndexIVFSDC.h"
#include "indexes/ivf_batch_scan.h"
#include "indexes/ivf_entries.h"
#include "indexes/parallel_for.h"
#include "indexes/sdc_queries.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <typeinfo>

namespace faiss_bebr {

using faiss::IDSelector;
using faiss::indexIVF_stats;
using faiss::METRIC_L2;
using faiss::SearchParameters;
using faiss::SearchParametersIVF;

namespace {

void check_ivf_parameters(const SearchParametersIVF* params, bool store_pairs) {
    FAISS_THROW_IF_NOT_MSG(
            !params || params->max_lists_num == 0,
            "max_lists_num is for FastScan indexes only");
    FAISS_THROW_IF_NOT_MSG(
            !(store_pairs && params && params->sel),
            "selector and store_pairs cannot be combined");
}

/** Parameters as FAISS's searches take them, checked.
 * @param own  what is returned if params are not of that class
 * @return     nullptr for nullptr
 */
const SearchParametersIVF* get_ivf_parameters(
        const faiss::IndexIVF& index,
        const SearchParameters* params,
        SearchParametersIVF& own) {
    const auto* ivf = dynamic_cast<const SearchParametersIVF*>(params);
    FAISS_THROW_IF_NOT_MSG(
            (ivf ? ivf->nprobe : index.nprobe) > 0, "nprobe must be positive");
    if (!params) {
        return nullptr;
    }
    if (ivf) {
        check_ivf_parameters(ivf, false);
        return ivf;
    }
    FAISS_THROW_IF_NOT_MSG(
            typeid(*params) == typeid(SearchParameters),
            "params must be SearchParametersIVF");
    own.nprobe = index.nprobe;
    own.max_codes = index.max_codes;
    own.sel = params->sel;
    return &own;
}

/// Whether queries are searched list by list: where nothing is asked for that
/// depends on the order of a query's lists.
bool can_search_as_batch(
        const IndexIVFSDC& index,
        const SearchParametersIVF* params) {
    const size_t max_codes = params ? params->max_codes : index.max_codes;
    return max_codes == 0 && index.parallel_mode == 0 &&
            !index.invlists->use_iterator &&
            !(params && params->inverted_list_context);
}

/// A selector of ids where the scanner has places, see lo_build.
struct PlaceSelector : IDSelector {
    const faiss::InvertedLists& lists;
    const IDSelector& ids;

    PlaceSelector(
            const faiss::InvertedLists& lists_in,
            const IDSelector& ids_in)
            : lists(lists_in), ids(ids_in) {}
    bool is_member(idx_t place) const override {
        return ids.is_member(lists.get_single_id(
                faiss::lo_listno(place), faiss::lo_offset(place)));
    }
};

/// How search_and_reconstruct() hands a selector to its scanner: FAISS refuses
/// one in `sel` where results are places.
struct PlaceSearchParameters : SearchParametersIVF {
    const IDSelector* place_sel = nullptr;
};

/// of ids, or of places where it was handed on as that
const IDSelector* get_batch_selector(const SearchParametersIVF* params) {
    const auto* place_search =
            dynamic_cast<const PlaceSearchParameters*>(params);
    if (place_search) {
        return place_search->place_sel;
    }
    return params ? params->sel : nullptr;
}

} // namespace

/// what FAISS's searches need, before they hand x to the quantizer
void IndexIVFSDC::check_search(idx_t n, const float* x) const {
    check_ready();
    if (by_residual && metric_type == METRIC_L2) {
        check_finite(n, d, x); // the map is for residuals
    } else {
        check_queries(sdc, n, x);
    }
}

void IndexIVFSDC::quantize_queries(
        idx_t n,
        const float* x,
        float* q,
        const idx_t* list_nos) const {
    if (!by_residual || metric_type != METRIC_L2) {
        LevelQueries queries;
        queries.set(sdc, n, x, true);
        std::copy(queries.decoded.begin(), queries.decoded.end(), q);
        return;
    }
    check_list_nos(n, list_nos, 0);
    std::vector<float> residuals(n * d);
    quantizer->compute_residual_n(n, x, residuals.data(), list_nos);
    LevelQueries queries;
    queries.set(sdc, n, residuals.data(), true);
    std::vector<float> centroid(d);
    for (idx_t i = 0; i < n; i++) {
        quantizer->reconstruct(list_nos[i], centroid.data());
        for (int j = 0; j < d; j++) {
            q[i * d + j] = queries.decoded[i * d + j] + centroid[j];
        }
    }
}

void IndexIVFSDC::search(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const SearchParameters* params) const {
    check_search(n, x);
    SearchParametersIVF own;
    IndexIVF::search(
            n, x, k, distances, labels, get_ivf_parameters(*this, params, own));
}

void IndexIVFSDC::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const SearchParameters* params) const {
    check_search(n, x);
    SearchParametersIVF own;
    IndexIVF::range_search(
            n, x, radius, result, get_ivf_parameters(*this, params, own));
}

void IndexIVFSDC::search1(
        const float* x,
        faiss::ResultHandler& handler,
        SearchParameters* params) const {
    check_search(1, x);
    SearchParametersIVF own;
    const auto* ivf = get_ivf_parameters(*this, params, own);
    IndexIVF::search1(x, handler, const_cast<SearchParametersIVF*>(ivf));
}

void IndexIVFSDC::search_preassigned(
        idx_t n,
        const float* x,
        idx_t k,
        const idx_t* assign,
        const float* centroid_dis,
        float* distances,
        idx_t* labels,
        bool store_pairs,
        const faiss::IVFSearchParameters* params,
        faiss::IndexIVFStats* stats) const {
    check_search(n, x);
    FAISS_THROW_IF_NOT_MSG(k > 0, "k must be positive");
    check_ivf_parameters(params, store_pairs);
    const int mode = parallel_mode & ~PARALLEL_MODE_NO_HEAP_INIT;
    FAISS_THROW_IF_NOT_FMT(
            mode == parallel_mode || mode == 0 || mode == 3,
            "parallel_mode %d does not work with PARALLEL_MODE_NO_HEAP_INIT",
            mode); // FAISS leaves its own heaps uninitialized, too
    if (can_search_as_batch(*this, params)) {
        const size_t nprobe_of_search =
                std::min(nlist, params ? params->nprobe : nprobe);
        const IVFBatch batch = {
                *this,
                size_t(n),
                x,
                assign,
                nprobe_of_search,
                get_batch_selector(params),
                store_pairs};
        search_ivf_batch(
                batch, k, distances, labels, stats ? *stats : indexIVF_stats);
        return;
    }
    IndexIVF::search_preassigned(
            n,
            x,
            k,
            assign,
            centroid_dis,
            distances,
            labels,
            store_pairs,
            params,
            stats);
}

void IndexIVFSDC::range_search_preassigned(
        idx_t nx,
        const float* x,
        float radius,
        const idx_t* keys,
        const float* coarse_dis,
        faiss::RangeSearchResult* result,
        bool store_pairs,
        const faiss::IVFSearchParameters* params,
        faiss::IndexIVFStats* stats) const {
    check_search(nx, x);
    FAISS_THROW_IF_NOT_MSG(!std::isnan(radius), "radius is NaN");
    check_ivf_parameters(params, store_pairs);
    IndexIVF::range_search_preassigned(
            nx,
            x,
            radius,
            keys,
            coarse_dis,
            result,
            store_pairs,
            params,
            stats);
}

faiss::InvertedListScanner* IndexIVFSDC::get_InvertedListScanner(
        bool store_pairs,
        const IDSelector* sel,
        const faiss::IVFSearchParameters* params) const {
    check_ready();
    if (const auto* place_search =
                dynamic_cast<const PlaceSearchParameters*>(params)) {
        sel = place_search->place_sel;
    } else if (!sel && params) {
        // FAISS's search1 leaves it there
        sel = params->sel;
    }
    return new IVFSDCScanner(*this, store_pairs, sel);
}

void IndexIVFSDC::search_and_reconstruct(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        float* recons,
        const SearchParameters* params_in) const {
    check_search(n, x);
    SearchParametersIVF own;
    const auto* ivf = get_ivf_parameters(*this, params_in, own);
    PlaceSearchParameters params;
    if (ivf) {
        static_cast<SearchParametersIVF&>(params) = *ivf;
    } else {
        params.nprobe = nprobe;
        params.max_codes = max_codes;
    }
    params.nprobe = std::min(nlist, params.nprobe);
    FAISS_THROW_IF_NOT_MSG(k > 0, "k must be positive");
    std::unique_ptr<PlaceSelector> place_sel;
    if (params.sel) {
        place_sel = std::make_unique<PlaceSelector>(*invlists, *params.sel);
        params.place_sel = place_sel.get();
        params.sel = nullptr;
    }

    std::vector<idx_t> list_nos(n * params.nprobe);
    std::vector<float> centroid_dis(n * params.nprobe);
    quantizer->search(
            n,
            x,
            params.nprobe,
            centroid_dis.data(),
            list_nos.data(),
            params.quantizer_params);
    invlists->prefetch_lists(list_nos.data(), int(list_nos.size()));
    search_preassigned(
            n,
            x,
            k,
            list_nos.data(),
            centroid_dis.data(),
            distances,
            labels,
            true,
            &params);
    parallel_for(n * k, 1000, [&](idx_t i) {
        float* vector = recons + i * d;
        if (labels[i] < 0) {
            std::fill(
                    vector,
                    vector + d,
                    std::numeric_limits<float>::quiet_NaN());
            return;
        }
        const idx_t list_no = faiss::lo_listno(labels[i]);
        const idx_t offset = faiss::lo_offset(labels[i]);
        reconstruct_from_offset(list_no, offset, vector);
        labels[i] = invlists->get_single_id(list_no, offset);
    });
}

void IndexIVFSDC::reconstruct_from_offset(
        int64_t list_no,
        int64_t offset,
        float* recons) const {
    check_ready();
    check_list_nos(1, &list_no, 0);
    const size_t size = invlists->list_size(list_no);
    FAISS_THROW_IF_NOT_FMT(
            offset >= 0 && size_t(offset) < size,
            "list %zd has %zd entries, so none at offset %zd",
            size_t(list_no),
            size,
            size_t(offset));
    faiss::InvertedLists::ScopedCodes code(invlists, list_no, offset);
    decode_vectors(1, code.get(), &list_no, recons);
}

void IndexIVFSDC::reconstruct_n(idx_t i0, idx_t ni, float* recons) const {
    check_ready();
    check_id_range(i0, ni, ntotal);
    std::vector<idx_t> places(ni, -1);
    find_places(*invlists, i0, places);
    parallel_for(ni, 1000, [&](idx_t i) {
        reconstruct_from_offset(
                faiss::lo_listno(places[i]),
                faiss::lo_offset(places[i]),
                recons + i * d);
    });
}

} // namespace faiss_bebr
