#pragma once

#include "indexes/IndexSDC.h"
#include "indexes/flat_search.h"

#include <functional>
#include <vector>

namespace faiss_bebr {

/** The parameters of one search of a flat index, checked.
 * @param k_factor, first_nbits  of the index, for what params has not; params
 *                               may be nullptr, and of no other types than
 *                               SearchParametersSDC and the plain one
 */
SearchParametersSDC get_parameters(
        const SDCQuantizer& sdc,
        float k_factor,
        int first_nbits,
        const faiss::SearchParameters* params);

/// How a search compares few planes of all documents, and all of a few.
struct TwoPasses {
    PlaneLayout first_planes;
    /// documents that the first pass leaves, at most; 0: there is one pass, as
    /// k_factor is 1 or would leave all, or tables have no room for the planes
    idx_t ncandidates = 0;

    TwoPasses(
            const SDCQuantizer& sdc,
            const SearchParametersSDC& params,
            idx_t k,
            idx_t ntotal);
};

/** The codes of some documents.
 * @param ids     size n
 * @param memory  for codes that do not lie in memory as they are
 * @param rows    output, n pointers to codes
 */
using FindCodes = std::function<void(
        const idx_t* ids,
        size_t n,
        std::vector<uint8_t>& memory,
        const uint8_t** rows)>;

/** search() of a flat index by all planes of what is best by the first planes,
 * whose products are estimates, see TableQueries; documents count there as
 * decoded from these planes alone, with their own scales. Ties go to the
 * smaller id in both passes. Throws for queries that check_queries() refuses.
 */
void search_in_two_passes(
        const SDCQuantizer& sdc,
        const TwoPasses& passes,
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const MakeFlatTask& make_task,
        const FindCodes& find_codes);

} // namespace faiss_bebr
