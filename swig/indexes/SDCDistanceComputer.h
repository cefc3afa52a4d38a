#pragma once

#include "codes/SDCQuantizer.h"
#include "indexes/sdc_queries.h"
#include "kernels/SDCKernels.h"

#include <faiss/impl/DistanceComputer.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

namespace faiss_bebr {

/// distances between a query or a stored vector and stored vectors
struct SDCDistanceComputer : faiss::FlatCodesDistanceComputer {
    const SDCQuantizer& sdc;
    const SDCKernels& kernels;
    std::unique_ptr<LevelQueries> query;
    std::vector<uint8_t> levels; ///< a group
    std::vector<float> decoded;  ///< two vectors

    SDCDistanceComputer(const SDCQuantizer& sdc_in, const uint8_t* codes_in)
            : FlatCodesDistanceComputer(codes_in, sdc_in.code_size()),
              sdc(sdc_in),
              kernels(get_kernels()),
              levels(kGroup * sdc_in.dim()),
              decoded(2 * sdc_in.dim()) {}

    /// FAISS calls this in parallel regions that no exception may leave: a
    /// query that search() would refuse is infinitely far from everything
    void set_query(const float* x) override {
        try {
            query = std::make_unique<LevelQueries>(sdc, 1, x);
        } catch (const faiss::FaissException&) {
            query.reset();
        }
    }

    /// distances of the query to n <= 16 codes
    void distances(const uint8_t* const* rows, size_t n, float* out) {
        if (!query) {
            const float far = std::numeric_limits<float>::max();
            std::fill(out, out + n, key_to_distance(sdc.metric_type, far));
            return;
        }
        float scale[kGroup] = {0};
        float norm[kGroup];
        for (size_t k = 0; k < n; k++) {
            scale[k] = sdc.get_scale(rows[k]);
        }
        kernels.unpack_group(sdc.layout.view(), rows, n, levels.data());
        const bool is_l2 = sdc.metric_type == faiss::METRIC_L2;
        if (is_l2) {
            get_decoded_norms(sdc, levels.data(), scale, norm);
        }
        int32_t dots[kGroup];
        kernels.dots(
                sdc.dim(), query->levels.data(), 1, levels.data(), 1, dots);
        uint32_t hits[kGroup];
        float keys[kGroup];
        // nothing is at infinity, so that the hits are all documents
        kernels.collect_float(
                query->key(sdc, 0, scale, is_l2 ? norm : nullptr),
                dots,
                kGroup,
                std::numeric_limits<float>::infinity(),
                hits,
                keys);
        for (size_t k = 0; k < n; k++) {
            out[k] = key_to_distance(sdc.metric_type, keys[k]);
        }
    }

    float distance_to_code(const uint8_t* code) override {
        float distance;
        distances(&code, 1, &distance);
        return distance;
    }

    void distance_to_code_batch_4(
            const uint8_t* c1,
            const uint8_t* c2,
            const uint8_t* c3,
            const uint8_t* c4,
            float& d1,
            float& d2,
            float& d3,
            float& d4) override {
        const uint8_t* rows[4] = {c1, c2, c3, c4};
        float out[4];
        distances(rows, 4, out);
        d1 = out[0];
        d2 = out[1];
        d3 = out[2];
        d4 = out[3];
    }

    float symmetric_dis(idx_t i, idx_t j) override {
        const int d = sdc.dim();
        sdc.decode(codes + i * code_size, decoded.data(), 1);
        sdc.decode(codes + j * code_size, decoded.data() + d, 1);
        float sum = 0;
        for (int t = 0; t < d; t++) {
            const float a = decoded[t];
            const float b = decoded[d + t];
            sum += sdc.query_weight[t] *
                    (sdc.metric_type == faiss::METRIC_L2 ? (a - b) * (a - b)
                                                         : a * b);
        }
        return sum;
    }
};

} // namespace faiss_bebr
