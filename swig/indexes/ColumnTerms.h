#pragma once

#include "indexes/ColumnBlock.h"

#include <cstdint>
#include <vector>

namespace faiss_bebr {

/// What the documents of a few groups, one after the other, add to their
/// bounds; in the order of sums.
struct ColumnTerms {
    /// @param max_groups  at once
    ColumnTerms(const FlatQueries& queries, size_t max_groups);

    void load(const DocumentColumns& documents, size_t first_group, size_t n);

    const float* get_scales() const {
        return scales.data();
    }

    /// @return  nullptr: zeros
    const float* get_biases(size_t q);

   private:
    const FlatQueries& queries;
    const SDCQuantizer& sdc;
    const TableKernels& kernels;
    /// of all documents before their scales, where METRIC_L2 has estimates
    const float norm_of_signs;
    std::vector<uint8_t> scale_table;          ///< see look_up_floats
    std::vector<uint8_t> centroid_scale_table; ///< likewise
    std::vector<float> scales;
    std::vector<float> centroid_scales; ///< empty where these are ones
    std::vector<float> norms;           ///< of groups
    std::vector<float> biases;          ///< working memory

    // of the last load()
    size_t ngroups = 0;
    size_t stride = 0;
    const uint8_t* numbers = nullptr; ///< columns

    void set_norms_as_biases();
};

} // namespace faiss_bebr
