#pragma once

#include "codes/SDCQuantizer.h"
#include "kernels/SDCKernels.h"

#include <cmath>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** What a document adds to its keys of METRIC_L2, in the metric of the weights:
 * the squared norm of its v and, where it has a centroid c, twice their
 * product.
 */
struct DocumentNorms {
    const SDCQuantizer& sdc;
    const PlaneLayout& layout;
    const SDCKernels& kernels;

    /// @param layout  of the planes that count, the first ones of the codes
    DocumentNorms(const SDCQuantizer& sdc, const PlaneLayout& layout);

    float operator()(const uint8_t* code);

   private:
    float norm_of_signs = 0;
    std::vector<float> centroid_weight; ///< 2 * query_weight * range
    /// what code_product() takes for the centroid `last`
    std::vector<float> offset;
    const float* last = nullptr;
};

/// The lesser of two norms; NaN stays, for then there is no bound.
inline float get_least_norm(float a, float b) {
    return a < b || std::isnan(a) ? a : b;
}

/// of all codes of a single plane, before their scales
float get_norm_of_signs(const SDCQuantizer& sdc, const PlaneLayout& layout);

} // namespace faiss_bebr
