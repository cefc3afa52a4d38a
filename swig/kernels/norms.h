// Weighted norms of a group of levels, included by the file of every
// instruction set: the compiler splits vectors of 16 into what there is.

#pragma once

#include <cstdint>
#include <cstring>

namespace faiss_bebr {

namespace {

void norms(
        int dim,
        const uint8_t* levels,
        const int* level_base,
        const float* weight,
        float* norms) {
    typedef int32_t i32x16 __attribute__((vector_size(64)));
    typedef float f32x16 __attribute__((vector_size(64)));
    f32x16 sums = {};
    for (int i = 0; i < dim; i += 4) {
        i32x16 row;
        std::memcpy(&row, levels + size_t(i) * kGroup, sizeof(row));
#pragma GCC unroll 4
        for (int t = 0; t < 4; t++) {
            const i32x16 level = (row >> (8 * t)) & 0xff;
            const f32x16 value = __builtin_convertvector(
                    2 * level - level_base[i + t], f32x16);
            sums += weight[i + t] * (value * value);
        }
    }
    std::memcpy(norms, &sums, sizeof(sums));
}

} // namespace

} // namespace faiss_bebr
