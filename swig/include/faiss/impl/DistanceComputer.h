// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>

namespace faiss {

/// Distances between one query and stored vectors; one object per thread.
/// All virtual functions are inline in FAISS, so they are defined here too.
struct DistanceComputer {
    virtual void set_query(const float* x) = 0;
    virtual float operator()(idx_t i) = 0;
    virtual void distances_batch_4(
            const idx_t idx0,
            const idx_t idx1,
            const idx_t idx2,
            const idx_t idx3,
            float& dis0,
            float& dis1,
            float& dis2,
            float& dis3) {
        dis0 = (*this)(idx0);
        dis1 = (*this)(idx1);
        dis2 = (*this)(idx2);
        dis3 = (*this)(idx3);
    }
    virtual float symmetric_dis(idx_t i, idx_t j) = 0;
    virtual ~DistanceComputer() {}
};

/// The same over rows of code_size bytes.
struct FlatCodesDistanceComputer : DistanceComputer {
    const uint8_t* codes;
    size_t code_size;
    const float* q = nullptr;

    FlatCodesDistanceComputer(
            const uint8_t* codes_in,
            size_t code_size_in,
            const float* q_in = nullptr)
            : codes(codes_in), code_size(code_size_in), q(q_in) {}
    explicit FlatCodesDistanceComputer(const float* q_in)
            : FlatCodesDistanceComputer(nullptr, 0, q_in) {}
    FlatCodesDistanceComputer() : FlatCodesDistanceComputer(nullptr, 0) {}

    float operator()(idx_t i) override {
        return distance_to_code(codes + i * code_size);
    }
    void distances_batch_4(
            const idx_t idx0,
            const idx_t idx1,
            const idx_t idx2,
            const idx_t idx3,
            float& dis0,
            float& dis1,
            float& dis2,
            float& dis3) override {
        distance_to_code_batch_4(
                codes + idx0 * code_size,
                codes + idx1 * code_size,
                codes + idx2 * code_size,
                codes + idx3 * code_size,
                dis0,
                dis1,
                dis2,
                dis3);
    }
    virtual float partial_dot_product(
            const idx_t,
            const uint32_t,
            const uint32_t) {
        FAISS_THROW_MSG("partial_dot_product not implemented");
    }
    virtual float distance_to_code(const uint8_t* code) = 0;
    virtual void distance_to_code_batch_4(
            const uint8_t* c1,
            const uint8_t* c2,
            const uint8_t* c3,
            const uint8_t* c4,
            float& d1,
            float& d2,
            float& d3,
            float& d4) {
        d1 = distance_to_code(c1);
        d2 = distance_to_code(c2);
        d3 = distance_to_code(c3);
        d4 = distance_to_code(c4);
    }
    virtual void partial_dot_product_batch_4(
            const idx_t idx0,
            const idx_t idx1,
            const idx_t idx2,
            const idx_t idx3,
            float& dp0,
            float& dp1,
            float& dp2,
            float& dp3,
            const uint32_t offset,
            const uint32_t num_components) {
        dp0 = partial_dot_product(idx0, offset, num_components);
        dp1 = partial_dot_product(idx1, offset, num_components);
        dp2 = partial_dot_product(idx2, offset, num_components);
        dp3 = partial_dot_product(idx3, offset, num_components);
    }
};

} // namespace faiss
