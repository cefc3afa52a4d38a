#include "indexes/CandidateKeys.h"

namespace faiss_bebr {

CandidateKeys::CandidateKeys(
        const SDCQuantizer& sdc_in,
        const LevelQueries& queries_in,
        const TableQueries& tables_in)
        : sdc(sdc_in),
          queries(queries_in),
          tables(tables_in),
          kernels(get_kernels()),
          get_norm(sdc_in, tables_in.layout) {}

const float* CandidateKeys::get(
        size_t q,
        const uint16_t* sums,
        const uint8_t* const* codes,
        size_t n) {
    keys.resize(n);
    if (tables.kind == TableQueries::Kind::estimates) {
        tables.estimate_products(q, sums, n, keys.data());
        queries.get_keys(
                sdc,
                get_norm,
                q,
                tables.key_scale[q],
                keys.data(),
                codes,
                n,
                keys.data());
        return keys.data();
    }
    dots.resize(n);
    kernels.code_dots(
            sdc.layout.view(),
            queries.levels.data() + q * sdc.layout.coded_dim(),
            codes,
            n,
            dots.data());
    queries.get_keys(sdc, get_norm, q, dots.data(), codes, n, keys.data());
    return keys.data();
}

} // namespace faiss_bebr
