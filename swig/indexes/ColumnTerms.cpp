#include "indexes/ColumnTerms.h"

#include "indexes/DocumentNorms.h"

#include <algorithm>
#include <cmath>
#include <cstring>

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

} // namespace

ColumnTerms::ColumnTerms(const FlatQueries& queries_in, size_t max_groups)
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

void ColumnTerms::load(
        const DocumentColumns& documents,
        size_t first_group,
        size_t n) {
    ngroups = n;
    stride = documents.codes->get_stride();
    const uint8_t* group = documents.codes->get_group(first_group);
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

} // namespace faiss_bebr
