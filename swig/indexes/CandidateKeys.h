#pragma once

#include "indexes/DocumentNorms.h"
#include "indexes/TableQueries.h"
#include "indexes/sdc_queries.h"

#include <vector>

namespace faiss_bebr {

/** The keys of documents that sums of tables leave open: by their codes, or
 * estimates.
 */
struct CandidateKeys {
    CandidateKeys(
            const SDCQuantizer& sdc,
            const LevelQueries& queries,
            const TableQueries& tables);

    /** Of n documents for query q.
     * @param sums   of tables; read for estimates only
     * @param codes  n pointers to codes, for estimates without their planes
     * @return       valid until the next call
     */
    const float* get(
            size_t q,
            const uint16_t* sums,
            const uint8_t* const* codes,
            size_t n);

   private:
    const SDCQuantizer& sdc;
    const LevelQueries& queries;
    const TableQueries& tables;
    const SDCKernels& kernels;
    DocumentNorms get_norm;
    std::vector<int32_t> dots;
    std::vector<float> keys;
};

} // namespace faiss_bebr
