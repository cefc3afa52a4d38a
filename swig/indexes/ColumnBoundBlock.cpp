#include "indexes/ColumnBoundBlock.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace faiss_bebr {

namespace {

std::vector<uint8_t> make_float_table(const std::vector<float>& values) {
    constexpr size_t n = SDCQuantizer::num_scale_values;
    std::vector<uint8_t> table(values.empty() ? 0 : 4 * n);
    for (size_t i = 0; i < values.size(); i++) {
        uint8_t bytes[4];
        std::memcpy(bytes, &values[i], sizeof(bytes));
        for (size_t k = 0; k < 4; k++) {
            table[k * n + i] = bytes[k];
        }
    }
    return table;
}

float get_largest_scale(const SDCQuantizer& sdc) {
    constexpr float largest_float16 = 65504;
    return sdc.scale_bytes == 2
            ? largest_float16
            : *std::max_element(
                      sdc.scale_values.begin(), sdc.scale_values.end());
}

} // namespace

ColumnTerms::ColumnTerms(const FlatQueries& queries_in)
        : queries(queries_in),
          sdc(queries.sdc),
          kernels(*queries.table_kernels),
          norm_of_signs(
                  sdc.metric_type == faiss::METRIC_L2 && queries.has_estimates()
                          ? get_norm_of_signs(sdc, queries.tables->layout)
                          : 0),
          scale_table(make_float_table(sdc.scale_values)),
          centroid_scale_table(make_float_table(sdc.centroid_scales)),
          scales(max_groups * kColumn),
          centroid_scales(
                  sdc.centroid_scales.empty() ? 0 : max_groups * kColumn),
          norms(max_groups),
          biases(max_groups * kColumn) {}

/// of the groups that are likely to come next
void ColumnTerms::prefetch_tails(const uint8_t* group) const {
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t byte = sdc.layout.code_size(); byte < sdc.code_size();
             byte++) {
            __builtin_prefetch(group + g * stride + byte * kColumn);
        }
    }
}

void ColumnTerms::load(
        const DocumentColumns& documents,
        size_t first_group,
        size_t n) {
    ngroups = n;
    stride = documents.codes->get_stride();
    const uint8_t* group = documents.codes->get_group(first_group);
    prefetch_tails(group + n * stride);
    const uint8_t* scale_columns = group + sdc.layout.code_size() * kColumn;
    numbers = group + sdc.centroid_offset() * kColumn;
    if (sdc.scale_bytes == 1) {
        kernels.look_up_floats(
                scale_table.data(), scale_columns, stride, n, scales.data());
    } else {
        kernels.decode_float16(scale_columns, stride, n, scales.data());
    }
    if (!centroid_scales.empty()) {
        kernels.look_up_floats(
                centroid_scale_table.data(),
                scale_columns,
                stride,
                n,
                centroid_scales.data());
    }
    if (!documents.min_norms->empty()) {
        std::copy_n(documents.min_norms->data() + first_group, n, norms.data());
    }
}

void ColumnTerms::set_norms_as_biases() {
    if (queries.has_estimates()) {
        const float norm = norm_of_signs * (1 - kRoundingOfBounds);
        for (size_t j = 0; j < ngroups * kColumn; j++) {
            const float step = scales[j] * queries.tables->layout.unit();
            biases[j] = step * step * norm;
        }
        return;
    }
    for (size_t g = 0; g < ngroups; g++) {
        std::fill_n(
                biases.data() + g * kColumn,
                kColumn,
                norms[g] - kRoundingOfBounds * std::fabs(norms[g]));
    }
}

const float* ColumnTerms::get_biases(size_t q) {
    if (sdc.ncentroids > 0) {
        kernels.add_centroid_keys(
                queries.levels.centroid_keys.data() + q * sdc.ncentroids,
                sdc.ncentroids,
                numbers,
                stride,
                centroid_scales.empty() ? nullptr : centroid_scales.data(),
                norms.data(),
                ngroups,
                biases.data());
        return biases.data();
    }
    if (sdc.metric_type != faiss::METRIC_L2) {
        return nullptr;
    }
    set_norms_as_biases();
    return biases.data();
}

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
          terms(queries),
          candidate_keys(sdc, queries_in.levels, *queries_in.tables),
          sums(ColumnTerms::max_groups * kColumn),
          found(ColumnTerms::max_groups * kColumn) {}

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

ColumnBoundBlock::Group ColumnBoundBlock::get_group(size_t g) const {
    if (!groups.empty()) {
        return groups[g];
    }
    const size_t number = first / kColumn + g;
    const size_t begin = std::max(number * kColumn, first);
    const size_t end = std::min((number + 1) * kColumn, first + ndocuments);
    const uint64_t members = ~uint64_t(0) >> (kColumn - (end - begin))
                    << begin % kColumn;
    return {number, members, static_cast<uint32_t>(begin - first)};
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

/// how many groups from g on lie one after the other, up to those of terms
size_t ColumnBoundBlock::get_run(size_t g) const {
    const size_t most = std::min(ColumnTerms::max_groups, ngroups - g);
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
        candidates[i].places.clear();
        candidates[i].sums.clear();
        candidates[i].codes.clear();
    }
    const size_t stride = documents.codes->get_stride();
    for (size_t g = 0, n = 0; g < ngroups; g += n) {
        n = get_run(g);
        const size_t number = get_group(g).number;
        terms.load(documents, number, n);
        for (size_t i = 0; i < nq; i++) {
            table_kernels.sum_columns(
                    queries.tables->nbytes,
                    queries.tables->get(q0 + i),
                    documents.codes->get_group(number),
                    stride,
                    n,
                    sums.data());
            add_candidates(q0 + i, bounds[i], g, n);
        }
    }
    npairs += nq * ndocuments;
}

/// those of n groups from g0 on whose keys are open
void ColumnBoundBlock::add_candidates(
        size_t q,
        const SumBound& bound,
        size_t g0,
        size_t n) {
    const size_t nfound = table_kernels.find_open(
            bound,
            sums.data(),
            terms.get_scales(),
            terms.get_biases(q),
            n,
            found.data());
    Candidates& out = candidates[q - first_query];
    const size_t code_size = sdc.code_size();
    const size_t first_byte =
            queries.has_estimates() ? sdc.layout.code_size() : 0;
    for (size_t h = 0; h < nfound; h++) {
        const Group group = get_group(g0 + found[h] / kColumn);
        const size_t j = found[h] % kColumn;
        if (group.has(j)) {
            out.places.push_back(group.get_place(j));
            out.sums.push_back(sums[get_place_of_hit(found[h])]);
            // now, while the columns are in the first-level cache
            out.codes.resize(out.codes.size() + code_size);
            documents.codes->read_from(
                    first_byte,
                    group.number * kColumn + j,
                    out.codes.data() + out.codes.size() - code_size);
        }
    }
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
