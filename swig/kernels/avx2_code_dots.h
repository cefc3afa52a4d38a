// Inner products straight from packed codes, included by the two files that
// differ in how they add up four products.

#pragma once

#include "kernels/avx2_levels.h"

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// bytes p[0] .. p[31], of which n (8, 16 ...) may be read; zeros for others
inline __m256i load_u8x32(const int8_t* p, int n) {
    if (n >= 32) {
        return _mm256_loadu_si256((const __m256i*)p);
    }
    int8_t bytes[32] = {0};
    std::memcpy(bytes, p, n);
    return _mm256_loadu_si256((const __m256i*)bytes);
}

inline int32_t sum_i32x8(__m256i sums) {
    __m128i x = _mm_add_epi32(
            _mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1));
    return _mm_cvtsi128_si32(x);
}

/// @param NP  number of planes, known so that the loop over them is unrolled
template <int NP, __m256i (*dot4)(__m256i, __m256i, __m256i)>
inline void code_dots_of(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    const int dim = planes.dim;
    for (size_t k = 0; k < n; k++) {
        __m256i sums = _mm256_setzero_si256();
        for (int i = 0; i < dim; i += 32) {
            const __m256i dims = load_u8x32(query + i, dim - i);
            sums = dot4(sums, levels_u8x32(planes, NP, codes[k], i), dims);
        }
        dots[k] = sum_i32x8(sums);
    }
}

/** @param dot4      adds the products of four dimensions at a time to its sums
 *  @param dot4_low  the same for levels that are below 128
 */
template <
        __m256i (*dot4_low)(__m256i, __m256i, __m256i),
        __m256i (*dot4)(__m256i, __m256i, __m256i)>
void code_dots_all(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    switch (planes.nplanes) {
        case 1:
            return code_dots_of<1, dot4_low>(planes, query, codes, n, dots);
        case 2:
            return code_dots_of<2, dot4_low>(planes, query, codes, n, dots);
        case 3:
            return code_dots_of<3, dot4_low>(planes, query, codes, n, dots);
        case 4:
            return code_dots_of<4, dot4_low>(planes, query, codes, n, dots);
        case 5:
            return code_dots_of<5, dot4_low>(planes, query, codes, n, dots);
        case 6:
            return code_dots_of<6, dot4_low>(planes, query, codes, n, dots);
        case 7:
            return code_dots_of<7, dot4_low>(planes, query, codes, n, dots);
        default:
            return code_dots_of<8, dot4>(planes, query, codes, n, dots);
    }
}

} // namespace

} // namespace faiss_bebr
