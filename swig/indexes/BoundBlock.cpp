#include "indexes/BoundBlock.h"

#include "indexes/SortedBoundBlock.h"
#include "indexes/StreamedBoundBlock.h"

#include <algorithm>

namespace faiss_bebr {

namespace {

/// queries from which on it pays to sort the documents of a block
constexpr size_t kManyQueries = 4;

bool has_many_queries(const BoundScan& scan) {
    return scan.queries.step.size() >= kManyQueries;
}

} // namespace

size_t BoundScan::get_block_size() const {
    if (!has_many_queries(*this)) {
        return 16 * kColumn;
    }
    // half of a second-level cache
    const size_t max_bytes = size_t(512) << 10;
    return std::max<size_t>(max_bytes / (tables.ncode_rows * kColumn), 1) *
            kColumn;
}

std::unique_ptr<BoundBlock> make_bound_block(const BoundScan& scan) {
    if (has_many_queries(scan)) {
        return std::make_unique<SortedBoundBlock>(scan);
    }
    return std::make_unique<StreamedBoundBlock>(scan);
}

BoundBlock::BoundBlock(const BoundScan& scan_in)
        : scan(scan_in),
          get_norm(scan.sdc, scan.tables.layout),
          candidates(std::min(kQueryTile, scan.queries.step.size())),
          candidate_keys(scan.sdc, scan.queries, scan.tables) {}

void BoundBlock::set_rows(const idx_t* ids, size_t n) {
    const uint8_t* codes = scan.codes;
    const size_t code_size = scan.sdc.code_size();
    rows.resize(n);
    for (size_t j = 0; j < n; j++) {
        rows[j] = codes + ids[j] * code_size;
    }
    places.clear();
    npairs = 0;
    ncandidates = 0;
}

void BoundBlock::clear_candidates(size_t q0, size_t nq) {
    first_query = q0;
    for (size_t i = 0; i < nq; i++) {
        candidates[i].rows.clear();
        candidates[i].sums.clear();
    }
}

void BoundBlock::transpose_group(size_t g, TableRow* columns) const {
    const size_t begin = g * kColumn;
    scan.kernels.transpose(
            scan.tables.nbytes,
            rows.data() + begin,
            std::min(kColumn, rows.size() - begin),
            columns->bytes);
}

float BoundBlock::get_inverse_scale(size_t g) const {
    const size_t begin = g * kColumn;
    return 1 /
            scan.sdc.get_max_scale(
                    rows.data() + begin,
                    std::min(kColumn, rows.size() - begin));
}

float BoundBlock::get_min_norm(size_t g) {
    if (scan.sdc.metric_type != faiss::METRIC_L2) {
        return 0;
    }
    const size_t begin = g * kColumn;
    const size_t end = std::min(begin + kColumn, rows.size());
    float least = get_norm(rows[begin]);
    for (size_t j = begin + 1; j < end; j++) {
        least = get_least_norm(least, get_norm(rows[j]));
    }
    return least;
}

size_t BoundBlock::collect(
        size_t q,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const Candidates& found = get_candidates(q);
    const size_t n = found.rows.size();
    ncandidates += n;
    candidate_rows.resize(n);
    for (size_t i = 0; i < n; i++) {
        candidate_rows[i] = rows[found.rows[i]];
    }
    const float* found_keys =
            candidate_keys.get(q, found.sums.data(), candidate_rows.data(), n);
    size_t nhits = 0;
    for (size_t i = 0; i < n; i++) {
        if (found_keys[i] < threshold) {
            const uint32_t j = found.rows[i];
            hits[nhits] = places.empty() ? j : places[j];
            keys[nhits++] = found_keys[i];
        }
    }
    return nhits;
}

bool BoundBlock::is_worth_it() const {
    if (scan.tables.kind == TableQueries::Kind::estimates) {
        return true; // no other blocks have them
    }
    // a candidate costs as much as so many products by other blocks
    const size_t cost = has_many_queries(scan) ? 16 : 2;
    return cost * ncandidates <= npairs;
}

} // namespace faiss_bebr
