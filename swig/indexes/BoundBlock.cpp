#include "indexes/BoundBlock.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace faiss_bebr {

namespace {

/// the most queries compared at once
constexpr size_t kTableTile = 6;

/// groups whose sums stay there too
constexpr size_t kGroupsAtOnce = 4;

/// above all sums
constexpr float kNoLimit = 65536;

/// queries from which on it pays to know more of each document
constexpr size_t kManyQueries = 8;

} // namespace

size_t BoundBlock::get_block_size(const TableQueries& tables) {
    // a single query reads columns once, right after they are written
    const size_t nbytes = tables.step.size() < kManyQueries ? size_t(40) << 10
                                                            : size_t(512) << 10;
    const size_t ngroups = nbytes / (tables.nrows * kColumn);
    return std::max<size_t>(ngroups, 1) * kColumn;
}

BoundBlock::BoundBlock(
        const SDCQuantizer& sdc_in,
        const LevelQueries& queries_in,
        const TableQueries& tables_in,
        const TableKernels& table_kernels_in,
        const uint8_t* codes_in,
        size_t block_size)
        : sdc(sdc_in),
          queries(queries_in),
          tables(tables_in),
          kernels(get_kernels()),
          table_kernels(table_kernels_in),
          codes(codes_in),
          columns(block_size / kColumn * tables_in.nrows),
          inverse_scales(block_size / kColumn),
          min_norms(block_size / kColumn),
          centroids_begin(block_size / kColumn + 1),
          scales(knows_rows() ? block_size : 0),
          row_centroids(scales.size()),
          get_norm(sdc_in, sdc_in.layout),
          candidates(kQueryTile),
          biases(block_size / kColumn),
          limits(block_size / kColumn),
          tile_limits(kTableTile),
          found(kGroupsAtOnce * kColumn),
          sums(kTableTile * kGroupsAtOnce * kColumn) {
    rows.reserve(block_size);
}

void BoundBlock::load(const idx_t* ids, size_t n) {
    rows.resize(n);
    for (size_t j = 0; j < n; j++) {
        rows[j] = codes + ids[j] * sdc.code_size();
    }
    places.clear();
    if (knows_rows()) {
        sort_rows();
    }
    centroid_nos.clear();
    for (size_t g = 0; g * kColumn < n; g++) {
        prefetch_group(g + 2);
        table_kernels.transpose(
                tables.nbytes,
                rows.data() + g * kColumn,
                std::min(kColumn, n - g * kColumn),
                columns[g * tables.nrows].bytes);
        set_group(g);
    }
    npairs = 0;
    ncandidates = 0;
}

bool BoundBlock::knows_rows() const {
    return queries.step.size() >= kManyQueries;
}

/// the processor does not foresee reads of 64 codes side by side
void BoundBlock::prefetch_group(size_t g) const {
    const size_t end = std::min((g + 1) * kColumn, rows.size());
    for (size_t j = g * kColumn; j < end; j++) {
        prefetch_row(j);
    }
}

void BoundBlock::prefetch_row(size_t j) const {
    for (size_t i = 0; i < sdc.code_size(); i += 64) {
        __builtin_prefetch(rows[j] + i);
    }
}

/** Rows in an order in which those of a group have bounds that are alike: by
 * their centroids, or by their scales but for the last digits.
 */
void BoundBlock::sort_rows() {
    const size_t n = rows.size();
    std::vector<uint32_t> classes(n);
    for (size_t j = 0; j < n; j++) {
        if (sdc.ncentroids > 0) {
            classes[j] = static_cast<uint32_t>(sdc.get_centroid_no(rows[j]));
        } else {
            const float scale = sdc.get_scale(rows[j]);
            std::memcpy(&classes[j], &scale, sizeof(scale));
            classes[j] >>= 17; // six digits stay
        }
    }
    const uint32_t least = *std::min_element(classes.begin(), classes.end());
    const uint32_t most = *std::max_element(classes.begin(), classes.end());
    std::vector<uint32_t> begin(most - least + 2);
    for (uint32_t c : classes) {
        begin[c - least + 1]++;
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    std::vector<const uint8_t*> sorted(n);
    places.resize(n);
    for (size_t j = 0; j < n; j++) {
        const uint32_t place = begin[classes[j] - least]++;
        sorted[place] = rows[j];
        places[place] = static_cast<uint32_t>(j);
    }
    rows.swap(sorted);
}

void BoundBlock::set_group(size_t g) {
    const size_t begin = g * kColumn;
    const size_t end = std::min(begin + kColumn, rows.size());
    for (size_t j = begin; knows_rows() && j < end; j++) {
        scales[j] = sdc.get_scale(rows[j]);
        if (sdc.ncentroids > 0) {
            row_centroids[j] =
                    static_cast<uint16_t>(sdc.get_centroid_no(rows[j]));
        }
    }
    inverse_scales[g] = 1 / sdc.get_max_scale(rows.data() + begin, end - begin);
    min_norms[g] = 0;
    if (sdc.metric_type == faiss::METRIC_L2) {
        float least = get_norm(rows[begin]);
        for (size_t j = begin + 1; j < end; j++) {
            const float norm = get_norm(rows[j]);
            least = least <= norm ? least : norm; // NaN stays
        }
        min_norms[g] = least;
    }
    for (size_t j = begin; sdc.ncentroids > 0 && j < end; j++) {
        const auto number = static_cast<uint16_t>(sdc.get_centroid_no(rows[j]));
        if (j == begin || number != centroid_nos.back()) {
            centroid_nos.push_back(number);
        }
    }
    centroids_begin[g + 1] = static_cast<uint32_t>(centroid_nos.size());
}

/** What sums have to be below, for keys of a query below a threshold.
 *
 * A key is b - s a X, with what is added for the document alone, its scale, a
 * positive factor of the query and X = <levels, V>. So for a key below T
 *
 *     X > (b - T) / (s a)
 *
 * unless b < T, when small scales need not even that. The key's own rounding
 * is of the order of 1e-7 of its terms.
 */
struct BoundBlock::Limit {
    float bias, threshold, inverse_factor, max_product, inverse_step;

    Limit(const BoundBlock& block, size_t q, float threshold_in)
            : threshold(threshold_in) {
        const FloatKey key = block.queries.key(block.sdc, q, nullptr, nullptr);
        bias = key.bias;
        inverse_factor = -1 / key.scale;
        max_product = block.tables.max_product[q];
        inverse_step = 1 / block.tables.step[q];
    }

    /// whether a document may have a key below the threshold
    bool allows(float doc_bias, float scale, uint16_t sum) const {
        const float product = max_product - sum / inverse_step;
        const float term = scale * (product / inverse_factor);
        const float rounding = 1e-30f +
                1e-6f *
                        (std::fabs(bias) + std::fabs(doc_bias) +
                         std::fabs(term));
        // NaN is allowed
        return !(bias + doc_bias - term - rounding >= threshold);
    }

    /// @param doc_bias       at most those of the documents
    /// @param inverse_scale  at most theirs; NaN: not known
    float get(float doc_bias, float inverse_scale) const {
        const float rounding = 1e-30f +
                1e-6f *
                        (std::fabs(bias) + std::fabs(doc_bias) +
                         std::fabs(threshold));
        const float gap = bias + doc_bias - threshold - rounding;
        const float min_product = gap * inverse_factor * inverse_scale;
        // of steps, rounded up
        const float limit = (max_product - min_product) * inverse_step + 2;
        // in forms that have NaN at the greatest, and compilers vectorize
        const float below = limit < kNoLimit ? limit : kNoLimit;
        const float at_least_0 = below > 0 ? below : 0;
        return gap > 0 ? at_least_0 : kNoLimit;
    }
};

void BoundBlock::set_limits(size_t q, const Limit& limit) {
    const size_t n = get_num_groups();
    for (size_t g = 0; g < n; g++) {
        biases[g] = min_norms[g];
    }
    for (size_t g = 0; sdc.ncentroids > 0 && g < n; g++) {
        const float* keys = queries.centroid_keys.data() + q * sdc.ncentroids;
        float least = keys[centroid_nos[centroids_begin[g]]];
        for (uint32_t c = centroids_begin[g] + 1; c < centroids_begin[g + 1];
             c++) {
            least = std::min(least, keys[centroid_nos[c]]);
        }
        biases[g] += least;
    }
    for (size_t g = 0; g < n; g++) {
        limits[g] =
                static_cast<int32_t>(limit.get(biases[g], inverse_scales[g]));
    }
}

void BoundBlock::compute(size_t q0, size_t nq, const float* thresholds) {
    first_query = q0;
    // queries whose tables stay in the first-level cache
    const size_t tile = tables.nrows <= 96 ? kTableTile : kTableTile / 2;
    for (size_t i = 0; i < nq; i += tile) {
        compute_tile(q0 + i, std::min(tile, nq - i), thresholds + i);
    }
    npairs += nq * rows.size();
}

/// whether row j may have a key below the limit's threshold by what is known
/// of it alone
bool BoundBlock::is_candidate(
        size_t q,
        const Limit& limit,
        size_t j,
        uint16_t sum) const {
    if (!knows_rows()) {
        return true;
    }
    float bias = min_norms[j / kColumn];
    if (sdc.ncentroids > 0) {
        bias += queries.centroid_keys[q * sdc.ncentroids + row_centroids[j]];
    }
    return limit.allows(bias, scales[j], sum);
}

/// @param nq  at most kTableTile
void BoundBlock::compute_tile(size_t q0, size_t nq, const float* thresholds) {
    const size_t ngroups = get_num_groups();
    std::vector<Limit> tile;
    for (size_t i = 0; i < nq; i++) {
        candidates[q0 + i - first_query].clear();
        tile.emplace_back(*this, q0 + i, thresholds[i]);
        set_limits(q0 + i, tile[i]);
        tile_limits[i] = limits;
    }
    for (size_t g0 = 0; g0 < ngroups; g0 += kGroupsAtOnce) {
        const size_t n = std::min(kGroupsAtOnce, ngroups - g0);
        table_kernels.sum_tables(
                tables.nrows,
                tables.get(q0),
                nq,
                columns[g0 * tables.nrows].bytes,
                n,
                sums.data());
        for (size_t i = 0; i < nq; i++) {
            const uint16_t* query_sums = sums.data() + i * n * kColumn;
            const size_t nfound = table_kernels.find_below(
                    query_sums, tile_limits[i].data() + g0, n, found.data());
            for (size_t h = 0; h < nfound; h++) {
                const size_t k = found[h] % kColumn;
                const uint16_t sum =
                        query_sums[found[h] - k + get_place_of_sum(k)];
                const size_t j = g0 * kColumn + found[h];
                if (j < rows.size() && is_candidate(q0 + i, tile[i], j, sum)) {
                    prefetch_row(j);
                    candidates[q0 + i - first_query].push_back(
                            static_cast<uint32_t>(j));
                }
            }
        }
    }
    for (size_t i = 0; i < nq; i++) {
        ncandidates += candidates[q0 + i - first_query].size();
    }
}

size_t BoundBlock::collect(
        size_t q,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const std::vector<uint32_t>& rows_left = candidates[q - first_query];
    const size_t n = rows_left.size();
    candidate_rows.resize(n);
    dots.resize(n);
    for (size_t i = 0; i < n; i++) {
        candidate_rows[i] = rows[rows_left[i]];
    }
    kernels.code_dots(
            sdc.layout.view(),
            queries.levels.data() + q * sdc.layout.coded_dim(),
            candidate_rows.data(),
            n,
            dots.data());
    results.clear();
    for (size_t i = 0; i < n; i++) {
        const float key =
                queries.get_key(sdc, get_norm, q, dots[i], candidate_rows[i]);
        if (key < threshold) {
            const uint32_t j = rows_left[i];
            results.emplace_back(places.empty() ? j : places[j], key);
        }
    }
    if (!places.empty()) {
        std::sort(results.begin(), results.end());
    }
    for (const auto& [place, key] : results) {
        *hits++ = place;
        *keys++ = key;
    }
    return results.size();
}

bool BoundBlock::is_worth_it() const {
    // a candidate costs as much as so many products by other blocks
    const size_t cost = knows_rows() ? 16 : 2;
    return cost * ncandidates <= npairs;
}

} // namespace faiss_bebr
