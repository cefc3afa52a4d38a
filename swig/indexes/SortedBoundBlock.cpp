#include "indexes/SortedBoundBlock.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace faiss_bebr {

namespace {

/// the most queries compared at once
constexpr size_t kTableTile = 6;

} // namespace

SortedBoundBlock::SortedBoundBlock(const BoundScan& scan_in)
        : BoundBlock(scan_in), limits(kTableTile) {
    const size_t block_size = scan.get_block_size();
    const size_t ngroups = block_size / kColumn;
    columns.resize(ngroups * scan.tables.ncode_rows);
    scales.resize(block_size);
    row_centroids.resize(scan.sdc.ncentroids > 0 ? block_size : 0);
    row_centroid_scales.resize(row_centroids.size());
    inverse_scales.resize(ngroups);
    min_norms.resize(ngroups);
    centroids_begin.resize(ngroups + 1);
    min_centroid_scales.resize(ngroups);
    max_centroid_scales.resize(ngroups);
    biases.resize(ngroups);
    found.resize(groups_at_once * kColumn);
    sums.resize(kTableTile * groups_at_once * kColumn);
}

void SortedBoundBlock::load(const idx_t* ids, size_t n) {
    // groups ahead that are fetched, as the processor does not foresee reads
    // of 64 codes side by side
    constexpr size_t ahead = 2 * kColumn;
    set_rows(ids, n);
    sort_rows();
    centroid_nos.clear();
    for (size_t g = 0; g < get_num_groups(); g++) {
        const size_t begin = std::min(g * kColumn + ahead, n);
        for (size_t j = begin; j < std::min(begin + kColumn, n); j++) {
            prefetch_code(rows[j], scan.sdc.code_size());
        }
        transpose_group(g, &columns[g * scan.tables.ncode_rows]);
        set_group(g);
    }
}

/** Rows in an order in which those of a group have bounds that are alike: by
 * their centroids, or by their scales but for the last digits.
 */
void SortedBoundBlock::sort_rows() {
    const SDCQuantizer& sdc = scan.sdc;
    const size_t n = rows.size();
    std::vector<uint32_t> classes(n);
    std::vector<float> unsorted_scales(n);
    sdc.get_scales(rows.data(), n, unsorted_scales.data());
    for (size_t j = 0; j < n; j++) {
        if (sdc.ncentroids > 0) {
            classes[j] = static_cast<uint32_t>(sdc.get_centroid_no(rows[j]));
        } else {
            std::memcpy(&classes[j], &unsorted_scales[j], sizeof(float));
            classes[j] >>= 17; // six digits stay
        }
    }
    const auto [least, most] =
            std::minmax_element(classes.begin(), classes.end());
    const uint32_t first = *least;
    std::vector<uint32_t> begin(*most - first + 2);
    for (uint32_t c : classes) {
        begin[c - first + 1]++;
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<const uint8_t*> sorted(n);
    places.resize(n);
    for (size_t j = 0; j < n; j++) {
        const uint32_t place = begin[classes[j] - first]++;
        sorted[place] = rows[j];
        scales[place] = unsorted_scales[j];
        places[place] = static_cast<uint32_t>(j);
    }
    rows.swap(sorted);
}

void SortedBoundBlock::set_group(size_t g) {
    const SDCQuantizer& sdc = scan.sdc;
    const size_t begin = g * kColumn;
    const size_t end = std::min(begin + kColumn, rows.size());
    inverse_scales[g] = get_inverse_scale(g);
    min_norms[g] = get_min_norm(g);
    if (sdc.ncentroids == 0) {
        return;
    }
    for (size_t j = begin; j < end; j++) {
        const auto number = static_cast<uint16_t>(sdc.get_centroid_no(rows[j]));
        row_centroids[j] = number;
        row_centroid_scales[j] = sdc.get_centroid_scale(rows[j]);
        if (j == begin || number != row_centroids[j - 1]) {
            centroid_nos.push_back(number);
        }
    }
    centroids_begin[g + 1] = static_cast<uint32_t>(centroid_nos.size());
    const auto first = row_centroid_scales.begin();
    const auto [least, most] = std::minmax_element(first + begin, first + end);
    min_centroid_scales[g] = *least;
    max_centroid_scales[g] = *most;
}

void SortedBoundBlock::set_limits(
        size_t q,
        const ProductLimit& limit,
        std::vector<int32_t>& out) {
    const size_t n = get_num_groups();
    const size_t nc = scan.sdc.ncentroids;
    std::copy_n(min_norms.begin(), n, biases.begin());
    for (size_t g = 0; nc > 0 && g < n; g++) {
        const float* keys = scan.queries.centroid_keys.data() + q * nc;
        float least = keys[centroid_nos[centroids_begin[g]]];
        for (uint32_t c = centroids_begin[g] + 1; c < centroids_begin[g + 1];
             c++) {
            least = std::min(least, keys[centroid_nos[c]]);
        }
        biases[g] += std::min(
                min_centroid_scales[g] * least, max_centroid_scales[g] * least);
    }
    out.resize(n);
    for (size_t g = 0; g < n; g++) {
        out[g] = limit.get(biases[g], inverse_scales[g]);
    }
}

void SortedBoundBlock::compute(size_t q0, size_t nq, const float* thresholds) {
    clear_candidates(q0, nq);
    // queries whose tables stay in the first-level cache
    const size_t tile =
            scan.tables.ntable_rows <= 96 ? kTableTile : kTableTile / 2;
    for (size_t i = 0; i < nq; i += tile) {
        compute_tile(q0 + i, std::min(tile, nq - i), thresholds + i);
    }
    npairs += nq * rows.size();
}

/// @param nq  at most kTableTile
void SortedBoundBlock::compute_tile(
        size_t q0,
        size_t nq,
        const float* thresholds) {
    const size_t ngroups = get_num_groups();
    std::vector<ProductLimit> tile;
    for (size_t i = 0; i < nq; i++) {
        tile.emplace_back(scan.queries, scan.tables, q0 + i, thresholds[i]);
        set_limits(q0 + i, tile[i], limits[i]);
    }
    for (size_t g0 = 0; g0 < ngroups; g0 += groups_at_once) {
        const size_t n = std::min(groups_at_once, ngroups - g0);
        scan.kernels.sum_tables(
                scan.tables.nbytes,
                scan.tables.get(q0),
                nq,
                columns[g0 * scan.tables.ncode_rows].bytes,
                n,
                sums.data());
        for (size_t i = 0; i < nq; i++) {
            const uint16_t* query_sums = sums.data() + i * n * kColumn;
            const size_t nfound = scan.kernels.find_below(
                    query_sums, limits[i].data() + g0, n, found.data());
            add_candidates(q0 + i, tile[i], g0, nfound, query_sums);
        }
    }
}

/// those in `found`, from group g0 on, whose own bounds are good enough too
void SortedBoundBlock::add_candidates(
        size_t q,
        const ProductLimit& limit,
        size_t g0,
        size_t nfound,
        const uint16_t* query_sums) {
    const size_t nc = scan.sdc.ncentroids;
    for (size_t h = 0; h < nfound; h++) {
        const uint16_t sum = query_sums[get_place_of_hit(found[h])];
        const size_t j = g0 * kColumn + found[h];
        if (j >= rows.size()) {
            break; // the last group is padded
        }
        float bias = min_norms[j / kColumn];
        if (nc > 0) {
            bias += row_centroid_scales[j] *
                    scan.queries.centroid_keys[q * nc + row_centroids[j]];
        }
        if (limit.allows(bias, scales[j], sum)) {
            prefetch_code(rows[j], scan.sdc.code_size());
            get_candidates(q).add(j, sum);
        }
    }
}

} // namespace faiss_bebr
