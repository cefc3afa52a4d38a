// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>

#include <vector>

namespace faiss {

struct VectorTransform {
    int d_in;
    int d_out;
    bool is_trained;

    explicit VectorTransform(int d_in_val = 0, int d_out_val = 0)
            : d_in(d_in_val), d_out(d_out_val), is_trained(true) {}

    virtual void train(idx_t n, const float* x);
    /// the result is to be freed with delete[]
    float* apply(idx_t n, const float* x) const;
    virtual void apply_noalloc(idx_t n, const float* x, float* xt) const = 0;
    virtual void reverse_transform(idx_t n, const float* xt, float* x) const;
    virtual void check_identical(const VectorTransform& other) const = 0;
    virtual ~VectorTransform() {}
};

/// Chooses input dimensions: output i is input map[i], or 0 where that is -1.
struct RemapDimensionsTransform : VectorTransform {
    std::vector<int> map;

    RemapDimensionsTransform(int d_in, int d_out, const int* map);
    RemapDimensionsTransform(int d_in, int d_out, bool uniform = true);
    RemapDimensionsTransform() {}

    void apply_noalloc(idx_t n, const float* x, float* xt) const override;
    void reverse_transform(idx_t n, const float* xt, float* x) const override;
    void check_identical(const VectorTransform& other) const override;
};

} // namespace faiss
