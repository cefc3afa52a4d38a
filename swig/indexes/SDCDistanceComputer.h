#pragma once

#include "indexes/IndexSDC.h"
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
    const IndexSDC& index;
    const SDCKernels& kernels;
    std::unique_ptr<LevelQueries> query;
    std::vector<uint8_t> levels; ///< a group
    std::vector<float> decoded;  ///< two vectors

    explicit SDCDistanceComputer(const IndexSDC& index_in)
            : FlatCodesDistanceComputer(
                      index_in.codes.data(),
                      index_in.code_size),
              index(index_in),
              kernels(get_kernels()),
              levels(kGroup * index_in.d),
              decoded(2 * index_in.d) {}

    /// FAISS calls this in parallel regions that no exception may leave: a
    /// query that search() would refuse is infinitely far from everything
    void set_query(const float* x) override {
        try {
            query = std::make_unique<LevelQueries>(index, 1, x);
        } catch (const faiss::FaissException&) {
            query.reset();
        }
    }

    /// distances of the query to n <= 16 codes
    void distances(const uint8_t* const* rows, size_t n, float* out) {
        if (!query) {
            const float far = std::numeric_limits<float>::max();
            std::fill(out, out + n, key_to_distance(index, far));
            return;
        }
        float scale[kGroup] = {0};
        float norm[kGroup];
        for (size_t k = 0; k < n; k++) {
            scale[k] = get_scale(index, rows[k]);
        }
        kernels.unpack_group(index.layout.view(), rows, n, levels.data());
        const bool is_l2 = index.metric_type == faiss::METRIC_L2;
        if (is_l2) {
            get_decoded_norms(index, levels.data(), scale, norm);
        }
        int32_t dots[kGroup];
        kernels.dots(index.d, query->levels.data(), 1, levels.data(), 1, dots);
        uint32_t hits[kGroup];
        float keys[kGroup];
        // nothing is at infinity, so that the hits are all documents
        kernels.collect_float(
                query->key(index, 0, scale, is_l2 ? norm : nullptr),
                dots,
                kGroup,
                std::numeric_limits<float>::infinity(),
                hits,
                keys);
        for (size_t k = 0; k < n; k++) {
            out[k] = key_to_distance(index, keys[k]);
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
        const int d = index.d;
        index.sa_decode(1, codes + i * code_size, decoded.data());
        index.sa_decode(1, codes + j * code_size, decoded.data() + d);
        float sum = 0;
        for (int t = 0; t < d; t++) {
            const float a = decoded[t];
            const float b = decoded[d + t];
            sum += index.query_weight[t] *
                    (index.metric_type == faiss::METRIC_L2 ? (a - b) * (a - b)
                                                           : a * b);
        }
        return sum;
    }
};

} // namespace faiss_bebr
