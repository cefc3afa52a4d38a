// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <cstdint>
#include <random>

namespace faiss {

struct RandomGenerator {
    std::mt19937 mt;

    explicit RandomGenerator(int64_t seed = 1234);

    int rand_int();
    int64_t rand_int64();
    /// 0 .. max - 1
    int rand_int(int max);
    float rand_float();
    double rand_double();
};

} // namespace faiss
