#include "indexes/DocumentBiases.h"

namespace faiss_bebr {

DocumentBiases::DocumentBiases(const SDCQuantizer& sdc_in, size_t block_size)
        : sdc(sdc_in),
          get_norm(sdc_in, sdc_in.layout),
          norms(sdc_in.metric_type == faiss::METRIC_L2 ? block_size : 0),
          centroid_nos(sdc_in.ncentroids > 0 ? block_size : 0),
          centroid_scales(centroid_nos.size()),
          sums(centroid_nos.size()) {}

void DocumentBiases::load(const uint8_t* const* codes, size_t n) {
    for (size_t j = 0; !norms.empty() && j < n; j++) {
        norms[j] = get_norm(codes[j]);
    }
    for (size_t j = 0; !centroid_nos.empty() && j < n; j++) {
        centroid_nos[j] = static_cast<uint16_t>(sdc.get_centroid_no(codes[j]));
        centroid_scales[j] = sdc.get_centroid_scale(codes[j]);
    }
}

const float* DocumentBiases::get(
        const LevelQueries& queries,
        size_t q,
        size_t n) {
    if (centroid_nos.empty()) {
        return norms.empty() ? nullptr : norms.data();
    }
    const float* keys = queries.centroid_keys.data() + q * sdc.ncentroids;
    for (size_t j = 0; j < n; j++) {
        const float norm = norms.empty() ? 0.0f : norms[j];
        sums[j] = norm + centroid_scales[j] * keys[centroid_nos[j]];
    }
    return sums.data();
}

} // namespace faiss_bebr
