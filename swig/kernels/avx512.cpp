#include "kernels/levels.h"

#ifdef __x86_64__

#include "kernels/avx512_levels.h"
#include "kernels/avx512_popcount.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// levels above 127 would saturate the 16-bit intermediate, so their top bit
/// goes apart
inline __m512i dot4_i32x16(__m512i sums, __m512i levels, __m512i query) {
    const __m512i low = _mm512_and_si512(levels, _mm512_set1_epi8(0x7f));
    const __m512i high =
            _mm512_and_si512(_mm512_srli_epi16(levels, 7), _mm512_set1_epi8(1));
    const __m512i dot_low = _mm512_madd_epi16(
            _mm512_maddubs_epi16(low, query), _mm512_set1_epi16(1));
    const __m512i dot_high = _mm512_madd_epi16(
            _mm512_maddubs_epi16(high, query), _mm512_set1_epi16(128));
    return _mm512_add_epi32(sums, _mm512_add_epi32(dot_low, dot_high));
}

/// the same for levels that are known to be below 128
inline __m512i dot4_low_i32x16(__m512i sums, __m512i levels, __m512i query) {
    return _mm512_add_epi32(
            sums,
            _mm512_madd_epi16(
                    _mm512_maddubs_epi16(levels, query), _mm512_set1_epi16(1)));
}

/// rows of 16 32-bit words become columns
inline void transpose_u32x16(__m512i rows[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    __m512i u[16];
    for (int i = 0; i < 16; i += 4) {
        u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    // u[4a + c] holds, in 128-bit lane b, words 4b + c of rows 4a .. 4a + 3
    for (int c = 0; c < 4; c++) {
        const __m512i even0 = _mm512_shuffle_i32x4(u[c], u[4 + c], 0x88);
        const __m512i even1 = _mm512_shuffle_i32x4(u[8 + c], u[12 + c], 0x88);
        const __m512i odd0 = _mm512_shuffle_i32x4(u[c], u[4 + c], 0xdd);
        const __m512i odd1 = _mm512_shuffle_i32x4(u[8 + c], u[12 + c], 0xdd);
        rows[c] = _mm512_shuffle_i32x4(even0, even1, 0x88);
        rows[8 + c] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
        rows[4 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
        rows[12 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
    }
}

void unpack_group(
        const PlanesView& planes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* levels) {
    for (int i = 0; i < planes.dim; i += 64) {
        __m512i rows[kGroup];
        size_t k = 0;
        for (; k + 4 <= n; k += 4) {
            load_levels_u8x64<4>(planes, codes + k, i, rows + k);
        }
        for (; k < n; k++) {
            load_levels_u8x64<1>(planes, codes + k, i, rows + k);
        }
        for (; k < kGroup; k++) {
            rows[k] = _mm512_setzero_si512();
        }
        transpose_u32x16(rows);
        const int nrows = clamp((planes.dim - i) / 4, 0, 16);
        for (int r = 0; r < nrows; r++) {
            _mm512_storeu_si512(levels + (i + 4 * r) * kGroup, rows[r]);
        }
    }
}

size_t collect_float(
        const FloatKey& key,
        const int32_t* dots,
        size_t n,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const __m512 scale = _mm512_set1_ps(key.scale);
    const __m512i shift = _mm512_set1_epi32(key.shift);
    const __m512 limit = _mm512_set1_ps(threshold);
    const __m512i lanes = _mm512_setr_epi32(
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t nhits = 0;
    for (size_t j = 0; j < n; j += 16) {
        __m512 bias = _mm512_set1_ps(key.bias);
        if (key.doc_bias) {
            bias = _mm512_add_ps(bias, _mm512_loadu_ps(key.doc_bias + j));
        }
        const __m512i dot = _mm512_loadu_si512(dots + j);
        const __m512 product = _mm512_cvtepi32_ps(
                _mm512_sub_epi32(_mm512_add_epi32(dot, dot), shift));
        const __m512 value = _mm512_add_ps(
                bias,
                _mm512_mul_ps(
                        _mm512_loadu_ps(key.doc_scale + j),
                        _mm512_mul_ps(scale, product)));
        const __mmask16 mask = _mm512_cmp_ps_mask(value, limit, _CMP_LT_OQ);
        if (mask) {
            const __m512i number = _mm512_add_epi32(
                    lanes, _mm512_set1_epi32(static_cast<int>(j)));
            _mm512_mask_compressstoreu_epi32(hits + nhits, mask, number);
            _mm512_mask_compressstoreu_ps(keys + nhits, mask, value);
            nhits += __builtin_popcount(mask);
        }
    }
    return nhits;
}

size_t collect_int(
        const IntKey& key,
        const int32_t* dots,
        size_t n,
        int32_t threshold,
        uint32_t* hits,
        int32_t* keys) {
    const __m512i scale = _mm512_set1_epi32(key.scale);
    const __m512i limit = _mm512_set1_epi32(threshold);
    const __m512i lanes = _mm512_setr_epi32(
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t nhits = 0;
    for (size_t j = 0; j < n; j += 16) {
        __m512i bias = _mm512_set1_epi32(key.bias);
        if (key.doc_bias) {
            bias = _mm512_add_epi32(bias, _mm512_loadu_si512(key.doc_bias + j));
        }
        const __m512i dot = _mm512_loadu_si512(dots + j);
        const __m512i value =
                _mm512_add_epi32(bias, _mm512_mullo_epi32(scale, dot));
        const __mmask16 mask = _mm512_cmplt_epi32_mask(value, limit);
        if (mask) {
            const __m512i number = _mm512_add_epi32(
                    lanes, _mm512_set1_epi32(static_cast<int>(j)));
            _mm512_mask_compressstoreu_epi32(hits + nhits, mask, number);
            _mm512_mask_compressstoreu_epi32(keys + nhits, mask, value);
            nhits += __builtin_popcount(mask);
        }
    }
    return nhits;
}

} // namespace

} // namespace faiss_bebr

#include "kernels/avx512_code_dots.h"
#include "kernels/avx512_code_sums.h"
#include "kernels/avx512_dots.h"
#include "kernels/avx512_hamming.h"
#include "kernels/avx512_level_sums.h"
#include "kernels/avx512_products.h"
#include "kernels/avx512_rows.h"

namespace faiss_bebr {

const SDCKernels avx512_kernels = {
        "AVX512",
        unpack_group,
        dots,
        level_sums,
        code_dots,
        compare_rows<true>,
        compare_rows<false>,
        code_norm,
        code_product,
        code_l2sqr,
        multiply<ProductTiles<true>>,
        multiply<ProductTiles<false>>,
        double_product,
        hamming,
        collect_float,
        collect_int};

} // namespace faiss_bebr

#endif // __x86_64__
