#include "indexes/two_pass_search.h"

#include "indexes/DocumentNorms.h"
#include "indexes/parallel_for.h"
#include "indexes/result_entries.h"
#include "indexes/sort_entries.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <typeinfo>
#include <vector>

namespace faiss_bebr {

namespace {

/** The best of the candidates of query q by all planes.
 * @param candidates  ids, the first n
 */
void rescore(
        const FlatQueries& queries,
        const FindCodes& find_codes,
        size_t q,
        const idx_t* candidates,
        size_t n,
        idx_t k,
        float* keys,
        idx_t* ids) {
    const SDCQuantizer& sdc = queries.sdc;
    // copies of codes stay in the first-level cache
    constexpr size_t most = 256;
    constexpr float worst = std::numeric_limits<float>::max();
    const uint8_t* rows[most];
    int32_t dots[most];
    float candidate_keys[most];
    std::vector<uint8_t> memory;
    DocumentNorms norms(sdc, sdc.layout);
    std::vector<FlatEntry<float>> entries;
    entries.reserve(n);
    for (size_t i = 0; i < n; i += most) {
        const size_t count = std::min(most, n - i);
        find_codes(candidates + i, count, memory, rows);
        get_kernels().code_dots(
                sdc.layout.view(),
                queries.levels.levels.data() + q * sdc.layout.coded_dim(),
                rows,
                count,
                dots);
        queries.levels.get_keys(
                sdc, norms, q, dots, rows, count, candidate_keys);
        for (size_t j = 0; j < count; j++) {
            if (candidate_keys[j] < worst) {
                // as a scan finds them: not infinite, not NaN
                entries.push_back({candidate_keys[j], candidates[i + j]});
            }
        }
    }
    sort_entries(entries);
    std::fill(keys, keys + k, worst);
    std::fill(ids, ids + k, idx_t(-1));
    for (size_t j = 0; j < std::min<size_t>(k, entries.size()); j++) {
        keys[j] = entries[j].key;
        ids[j] = entries[j].id;
    }
}

} // namespace

SearchParametersSDC get_parameters(
        const SDCQuantizer& sdc,
        float k_factor,
        int first_nbits,
        const faiss::SearchParameters* params) {
    SearchParametersSDC found;
    found.k_factor = k_factor;
    found.first_nbits = first_nbits;
    if (params) {
        const auto* own = dynamic_cast<const SearchParametersSDC*>(params);
        FAISS_THROW_IF_NOT_MSG(
                own || typeid(*params) == typeid(faiss::SearchParameters),
                "the index takes SearchParametersSDC, not parameters of other "
                "types");
        found.sel = params->sel;
        found.k_factor = own ? own->k_factor : found.k_factor;
        found.first_nbits = own ? own->first_nbits : found.first_nbits;
    }
    FAISS_THROW_IF_NOT_FMT(
            found.k_factor >= 1 && std::isfinite(found.k_factor),
            "k_factor must be at least 1 and finite, got %g",
            found.k_factor);
    const int nplanes = sdc.layout.nplanes();
    FAISS_THROW_IF_NOT_FMT(
            found.first_nbits >= 1 && found.first_nbits <= nplanes,
            "first_nbits must be in 1..%d, got %d",
            nplanes,
            found.first_nbits);
    return found;
}

TwoPasses::TwoPasses(
        const SDCQuantizer& sdc,
        const SearchParametersSDC& params,
        idx_t k,
        idx_t ntotal)
        : first_planes(sdc.layout.get_first_planes(params.first_nbits)) {
    const double most = double(k) * params.k_factor;
    if (params.k_factor > 1 && most < double(ntotal) &&
        first_planes.code_size() <= kMaxTableBytes) {
        ncandidates = idx_t(most);
    }
}

void search_in_two_passes(
        const SDCQuantizer& sdc,
        const TwoPasses& passes,
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const MakeFlatTask& make_task,
        const FindCodes& find_codes) {
    const idx_t ncandidates = passes.ncandidates;
    const idx_t batch = get_batch_size(sdc, n, ncandidates);
    check_batches(sdc, n, batch, x);
    std::vector<float> first_keys(batch * ncandidates);
    std::vector<idx_t> candidates(batch * ncandidates);
    for (idx_t i = 0; i < n; i += batch) {
        const idx_t nq = std::min(batch, n - i);
        const FlatQueries queries(
                sdc, nq, x + i * sdc.dim(), passes.first_planes);
        scan_knn(
                make_task(queries),
                ncandidates,
                first_keys.data(),
                candidates.data());
        parallel_for(nq, 2, [&](idx_t q) {
            const idx_t* begin = candidates.data() + q * ncandidates;
            const idx_t* end = std::find(begin, begin + ncandidates, idx_t(-1));
            rescore(queries,
                    find_codes,
                    q,
                    begin,
                    end - begin,
                    k,
                    distances + (i + q) * k,
                    labels + (i + q) * k);
        });
    }
    for (idx_t i = 0; i < n * k; i++) {
        distances[i] = key_to_distance(sdc.metric_type, distances[i]);
    }
}

} // namespace faiss_bebr
