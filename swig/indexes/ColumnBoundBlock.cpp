#include "indexes/ColumnBoundBlock.h"

#include "indexes/DocumentNorms.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace faiss_bebr {

namespace {

float get_largest_scale(const SDCQuantizer& sdc) {
    constexpr float largest_float16 = 65504;
    return sdc.scale_bytes == 2
            ? largest_float16
            : *std::max_element(
                      sdc.scale_values.begin(), sdc.scale_values.end());
}

} // namespace

ColumnBoundBlock::ColumnBoundBlock(
        const FlatQueries& queries_in,
        const DocumentColumns& documents_in)
        : queries(queries_in),
          sdc(queries_in.sdc),
          all_documents(documents_in),
          table_kernels(*queries_in.table_kernels),
          largest_scale(get_largest_scale(sdc)),
          documents(documents_in),
          copied(sdc.code_size()),
          candidates(std::min(kQueryTile, queries_in.size())),
          candidate_keys(sdc, queries_in.levels, *queries_in.tables),
          sums(max_groups * kColumn),
          found(max_groups * kColumn) {
    if (ScaleLimits::are_enough_for(queries)) {
        scale_limits.emplace(queries);
        limits.resize(candidates.size() * ScaleLimits::n);
    } else {
        terms.emplace(queries, max_groups);
    }
}

void ColumnBoundBlock::begin_block(size_t n) {
    documents = all_documents;
    groups.clear();
    ndocuments = n;
    ncandidates = 0;
    npairs = 0;
}

void ColumnBoundBlock::load_range(idx_t i, size_t n) {
    begin_block(n);
    set_range(i);
}

void ColumnBoundBlock::load(const idx_t* ids, size_t n) {
    begin_block(n);
    for (size_t place = 0; place < n; place++) {
        const size_t number = ids[place] / kColumn;
        if (groups.empty() || groups.back().number != number) {
            groups.push_back({number, 0, static_cast<uint32_t>(place)});
        }
        groups.back().members |= uint64_t(1) << ids[place] % kColumn;
    }
    ngroups = groups.size();
    // groups with few members are not worth their time
    constexpr size_t min_members = 16;
    if (n < min_members * ngroups) {
        copy_documents(ids);
    }
}

/// the documents of the block from `begin` on, one after the other
void ColumnBoundBlock::set_range(size_t begin) {
    first = begin;
    ngroups = (first + ndocuments + kColumn - 1) / kColumn - first / kColumn;
    groups.clear();
}

/// of group g of the block
size_t ColumnBoundBlock::get_number(size_t g) const {
    return groups.empty() ? first / kColumn + g : groups[g].number;
}

/// the documents of the block side by side
void ColumnBoundBlock::copy_documents(const idx_t* ids) {
    std::vector<uint8_t> codes(ndocuments * sdc.code_size());
    copied_norms.clear();
    for (size_t j = 0; j < ndocuments; j++) {
        all_documents.codes->read(ids[j], codes.data() + j * sdc.code_size());
        if (all_documents.min_norms->empty()) {
            continue;
        }
        const float norm = (*all_documents.min_norms)[ids[j] / kColumn];
        if (j % kColumn == 0) {
            copied_norms.push_back(norm);
        } else {
            copied_norms.back() = get_least_norm(copied_norms.back(), norm);
        }
    }
    copied.shrink(0);
    copied.append(codes.data(), ndocuments);
    documents = {&copied, &copied_norms};
    set_range(0);
}

/// how many groups from g on lie one after the other, at most max_groups
size_t ColumnBoundBlock::get_run(size_t g) const {
    const size_t most = std::min(max_groups, ngroups - g);
    size_t n = groups.empty() ? most : 1;
    while (n < most && groups[g + n].number == groups[g].number + n) {
        n++;
    }
    return n;
}

/** A key is b - s a X, see ProductLimit, and X is at most what the sum leaves
 * of the largest product.
 */
SumBound ColumnBoundBlock::make_bound(size_t q, float threshold) const {
    const TableQueries& tables = *queries.tables;
    const float bias = queries.levels.bias[q];
    const float factor = -tables.key_scale[q];
    const float step = factor * tables.step[q];
    const float most = factor * tables.max_product[q];
    const auto most_steps =
            static_cast<float>(255 * get_num_triples(tables.nbytes));
    const float reach = std::fabs(most) + step * most_steps;
    const float gap =
            bias - threshold - kRoundingOfBounds * std::fabs(bias) - 1e-30f;
    // where terms could overflow there are no bounds
    constexpr float large = 1e37f;
    const bool is_bound =
            reach * largest_scale < large && std::fabs(bias) < large;
    const float product = most + kRoundingOfBounds * reach;
    return {std::min(gap, large),
            is_bound ? product : std::numeric_limits<float>::quiet_NaN(),
            step};
}

void ColumnBoundBlock::compute(size_t q0, size_t nq, const float* thresholds) {
    first_query = q0;
    SumBound bounds[kQueryTile];
    for (size_t i = 0; i < nq; i++) {
        bounds[i] = make_bound(q0 + i, thresholds[i]);
        if (scale_limits) {
            scale_limits->compute(
                    bounds[i], limits.data() + i * ScaleLimits::n);
        }
        candidates[i].resize(0, sdc.code_size());
    }
    const size_t stride = documents.codes->get_stride();
    for (size_t g = 0, n = 0; g < ngroups; g += n) {
        n = get_run(g);
        const size_t number = get_number(g);
        prefetch_tails(number + n, n);
        if (terms) {
            terms->load(documents, number, n);
        }
        for (size_t i = 0; i < nq; i++) {
            table_kernels.sum_columns(
                    queries.tables->nbytes,
                    queries.tables->get(q0 + i),
                    documents.codes->get_group(number),
                    stride,
                    n,
                    sums.data());
            add_candidates(i, g, find_open(i, bounds[i], number, n));
        }
    }
    npairs += nq * ndocuments;
}

/// what follows the planes, of n groups that are likely to come next
void ColumnBoundBlock::prefetch_tails(size_t first_group, size_t n) const {
    const size_t stride = documents.codes->get_stride();
    const uint8_t* group = documents.codes->get_group(first_group);
    for (size_t g = 0; g < n; g++) {
        for (size_t byte = sdc.layout.code_size(); byte < sdc.code_size();
             byte++) {
            __builtin_prefetch(group + g * stride + byte * kColumn);
        }
    }
}

/** The documents of n groups whose keys are open by their sums.
 * @param i  which one of the queries of compute()
 * @return   how many are found
 */
size_t ColumnBoundBlock::find_open(
        size_t i,
        const SumBound& bound,
        size_t first_group,
        size_t n) {
    if (scale_limits) {
        return table_kernels.find_below_numbered(
                sums.data(),
                limits.data() + i * ScaleLimits::n,
                documents.codes->get_group(first_group) +
                        sdc.layout.code_size() * kColumn,
                documents.codes->get_stride(),
                n,
                found.data());
    }
    return table_kernels.find_open(
            bound,
            sums.data(),
            terms->get_scales(),
            terms->get_biases(first_query + i),
            n,
            found.data());
}

/// what was found of groups from the block's g0 on
void ColumnBoundBlock::add_candidates(size_t i, size_t g0, size_t nfound) {
    Candidates& out = candidates[i];
    const size_t code_size = sdc.code_size();
    const size_t first_byte =
            queries.has_estimates() ? sdc.layout.code_size() : 0;
    size_t n = out.places.size();
    out.resize(n + nfound, code_size);
    for (size_t h = 0; h < nfound; h++) {
        const size_t g = g0 + found[h] / kColumn, j = found[h] % kColumn;
        const size_t id = get_number(g) * kColumn + j;
        const size_t place =
                groups.empty() ? id - first : groups[g].get_place(j);
        if (place < ndocuments) {
            out.places[n] = static_cast<uint32_t>(place);
            out.sums[n] = sums[get_place_of_hit(found[h])];
            // now, while the columns are in the first-level cache
            documents.codes->read_from(
                    first_byte, id, out.codes.data() + n * code_size);
            n++;
        }
    }
    out.resize(n, code_size);
}

size_t ColumnBoundBlock::collect(
        size_t q,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const Candidates& open = candidates[q - first_query];
    const size_t n = open.places.size();
    ncandidates += n;
    candidate_codes.resize(n);
    for (size_t i = 0; i < n; i++) {
        candidate_codes[i] = open.codes.data() + i * sdc.code_size();
    }
    const float* open_keys =
            candidate_keys.get(q, open.sums.data(), candidate_codes.data(), n);
    size_t nhits = 0;
    for (size_t i = 0; i < n; i++) {
        if (open_keys[i] < threshold) {
            hits[nhits] = open.places[i];
            keys[nhits++] = open_keys[i];
        }
    }
    return nhits;
}

bool ColumnBoundBlock::is_worth_it() const {
    // a candidate takes about as long as a document of other blocks; no others
    // have estimates
    return queries.has_estimates() || 2 * ncandidates <= npairs;
}

} // namespace faiss_bebr
