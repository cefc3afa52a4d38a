#pragma once

#include <cstdint>
#include <cstring>

namespace faiss_bebr {

/// integers in the order of keys, none of which is NaN
inline int32_t get_rank_of_key(int32_t key) {
    return key;
}

inline int32_t get_rank_of_key(float key) {
    const float without_sign_of_zero = key + 0.0f;
    int32_t bits;
    std::memcpy(&bits, &without_sign_of_zero, sizeof(bits));
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

/// a key of that rank; for one between the ranks of two keys, a key between
/// them
inline int32_t get_key_of_rank(int32_t rank, int32_t /* of its type */) {
    return rank;
}

inline float get_key_of_rank(int32_t rank, float /* of its type */) {
    const int32_t bits = rank ^ ((rank >> 31) & 0x7fffffff);
    float key;
    std::memcpy(&key, &bits, sizeof(key));
    return key;
}

} // namespace faiss_bebr
