#include "indexes/StreamedBoundBlock.h"

#include <algorithm>

namespace faiss_bebr {

StreamedBoundBlock::StreamedBoundBlock(const BoundScan& scan_in)
        : BoundBlock(scan_in),
          columns(groups_at_once * scan.tables.ncode_rows),
          found(groups_at_once * kColumn),
          sums(groups_at_once * kColumn) {}

void StreamedBoundBlock::load(const idx_t* ids, size_t n) {
    set_rows(ids, n);
}

void StreamedBoundBlock::compute(
        size_t q0,
        size_t nq,
        const float* thresholds) {
    // the processor does not foresee reads of 64 codes side by side
    constexpr size_t ahead = kColumn;
    const size_t code_size = scan.sdc.code_size();
    clear_candidates(q0, nq);
    std::vector<ProductLimit> tile;
    for (size_t i = 0; i < nq; i++) {
        tile.emplace_back(scan.queries, scan.tables, q0 + i, thresholds[i]);
    }
    const size_t ngroups = get_num_groups();
    for (size_t g0 = 0; g0 < ngroups; g0 += groups_at_once) {
        const size_t n = std::min(groups_at_once, ngroups - g0);
        float inverse_scales[groups_at_once], min_norms[groups_at_once];
        for (size_t i = 0; i < n; i++) {
            const size_t g = g0 + i;
            const size_t begin = std::min(g * kColumn + ahead, rows.size());
            const size_t end = std::min(begin + kColumn, rows.size());
            // codes lie one after the other, so a short rest comes with the
            // next
            const size_t nbytes = std::max<size_t>(code_size, 33) - 32;
            for (size_t j = begin; j < end; j++) {
                prefetch_code(rows[j], nbytes);
            }
            transpose_group(g, &columns[i * scan.tables.ncode_rows]);
            inverse_scales[i] = get_inverse_scale(g);
            min_norms[i] = get_min_norm(g);
        }
        for (size_t q = 0; q < nq; q++) {
            scan.kernels.sum_tables(
                    scan.tables.nbytes,
                    scan.tables.get(q0 + q),
                    1,
                    columns.data()->bytes,
                    n,
                    sums.data());
            int32_t limits[groups_at_once];
            for (size_t i = 0; i < n; i++) {
                const float bias =
                        min_norms[i] + get_min_centroid_key(q0 + q, g0 + i);
                limits[i] = tile[q].get(bias, inverse_scales[i]);
            }
            const size_t nfound = scan.kernels.find_below(
                    sums.data(), limits, n, found.data());
            for (size_t h = 0; h < nfound; h++) {
                const size_t j = g0 * kColumn + found[h];
                if (j < rows.size()) {
                    get_candidates(q0 + q).add(
                            j, sums[get_place_of_hit(found[h])]);
                }
            }
        }
    }
    npairs += nq * rows.size();
}

/// the least that a centroid of group g adds to keys of query q
float StreamedBoundBlock::get_min_centroid_key(size_t q, size_t g) const {
    const size_t nc = scan.sdc.ncentroids;
    if (nc == 0) {
        return 0;
    }
    const float* keys = scan.queries.centroid_keys.data() + q * nc;
    const size_t begin = g * kColumn;
    const size_t end = std::min(begin + kColumn, rows.size());
    const auto get_key = [&](const uint8_t* code) {
        return scan.sdc.get_centroid_scale(code) *
                keys[scan.sdc.get_centroid_no(code)];
    };
    float least = get_key(rows[begin]);
    for (size_t j = begin + 1; j < end; j++) {
        least = std::min(least, get_key(rows[j]));
    }
    return least;
}

} // namespace faiss_bebr
