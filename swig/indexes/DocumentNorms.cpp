#include "indexes/DocumentNorms.h"

namespace faiss_bebr {

float get_norm_of_signs(const SDCQuantizer& sdc, const PlaneLayout& layout) {
    const std::vector<uint8_t> any_code(layout.code_size());
    return get_kernels().code_norm(
            layout.view(), sdc.coded_weight.data(), any_code.data());
}

DocumentNorms::DocumentNorms(
        const SDCQuantizer& sdc_in,
        const PlaneLayout& layout_in)
        : sdc(sdc_in), layout(layout_in), kernels(get_kernels()) {
    if (sdc.ncentroids > 0) {
        offset.resize(layout.coded_dim());
        centroid_weight.resize(layout.coded_dim());
        for (int i = 0; i < layout.coded_dim(); i++) {
            centroid_weight[i] = 2 * sdc.query_weight[i] * sdc.range[i];
        }
    } else if (layout.nplanes() == 1) {
        norm_of_signs = get_norm_of_signs(sdc, layout);
    }
}

float DocumentNorms::operator()(const uint8_t* code) {
    const float step = sdc.get_scale(code) * layout.unit();
    const float* weight = sdc.coded_weight.data();
    if (sdc.ncentroids == 0) {
        return step * step *
                (layout.nplanes() == 1
                         ? norm_of_signs
                         : kernels.code_norm(layout.view(), weight, code));
    }
    // (step V + 2 c) step V, with the weights
    const float* centroid = sdc.get_centroid(code);
    if (centroid != last) {
        const float* w = centroid_weight.data();
        float* out = offset.data();
        for (int i = 0; i < layout.coded_dim(); i++) {
            out[i] = w[i] * centroid[i];
        }
        last = centroid;
    }
    return step *
            kernels.code_product(
                    layout.view(), weight, offset.data(), step, code, code);
}

} // namespace faiss_bebr
