#include "kernels/levels.h"

#ifdef __x86_64__

#include "kernels/avx2_code_dots.h"
#include "kernels/avx2_code_sums.h"
#include "kernels/avx2_dots.h"
#include "kernels/avx2_level_sums.h"
#include "kernels/avx2_levels.h"
#include "kernels/avx2_products.h"
#include "kernels/avx2_rows.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// rows of 8 32-bit words become columns
inline void transpose_u32x8(__m256i rows[8]) {
    __m256i t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    __m256i u[8];
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
}

void unpack_group(
        const PlanesView& planes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* levels) {
    for (int i = 0; i < planes.dim; i += 32) {
        for (size_t half = 0; half < kGroup; half += 8) {
            __m256i rows[8];
            for (size_t k = 0; k < 8; k++) {
                rows[k] = half + k < n
                        ? levels_u8x32(planes, codes[half + k], i)
                        : _mm256_setzero_si256();
            }
            transpose_u32x8(rows);
            const int nrows = clamp((planes.dim - i) / 4, 0, 8);
            for (int r = 0; r < nrows; r++) {
                _mm256_storeu_si256(
                        (__m256i*)(levels + (i + 4 * r) * kGroup + 4 * half),
                        rows[r]);
            }
        }
    }
}

/** Adds four products of unsigned levels and signed queries to each sum; levels
 * above 127 would saturate the 16-bit intermediate, so their top bit goes
 * apart.
 */
inline __m256i dot4_i32x8(__m256i sums, __m256i levels, __m256i query) {
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i low = _mm256_and_si256(levels, _mm256_set1_epi8(0x7f));
    const __m256i high =
            _mm256_and_si256(_mm256_srli_epi16(levels, 7), _mm256_set1_epi8(1));
    const __m256i dot_low =
            _mm256_madd_epi16(_mm256_maddubs_epi16(low, query), ones);
    const __m256i dot_high = _mm256_madd_epi16(
            _mm256_maddubs_epi16(high, query), _mm256_set1_epi16(128));
    return _mm256_add_epi32(sums, _mm256_add_epi32(dot_low, dot_high));
}

/// the same for levels that are known to be below 128
inline __m256i dot4_low_i32x8(__m256i sums, __m256i levels, __m256i query) {
    return _mm256_add_epi32(
            sums,
            _mm256_madd_epi16(
                    _mm256_maddubs_epi16(levels, query), _mm256_set1_epi16(1)));
}

bool has_level_above_127(const uint8_t* levels, size_t n) {
    __m256i any = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 32) {
        any = _mm256_or_si256(
                any, _mm256_loadu_si256((const __m256i*)(levels + i)));
    }
    return _mm256_movemask_epi8(any) != 0;
}

void dots(
        int dim,
        const int8_t* queries,
        size_t nq,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    if (has_level_above_127(levels, ngroups * kGroup * dim)) {
        dots_all<4, dot4_i32x8>(dim, queries, nq, levels, ngroups, dots);
    } else {
        dots_all<4, dot4_low_i32x8>(dim, queries, nq, levels, ngroups, dots);
    }
}

/// bits set in each 64-bit lane, by a table of nibbles
inline __m256i popcount_u64x4(__m256i words) {
    const __m256i table = _mm256_setr_epi8(
            0,
            1,
            1,
            2,
            1,
            2,
            2,
            3,
            1,
            2,
            2,
            3,
            2,
            3,
            3,
            4,
            0,
            1,
            1,
            2,
            1,
            2,
            2,
            3,
            1,
            2,
            2,
            3,
            2,
            3,
            3,
            4);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i low =
            _mm256_shuffle_epi8(table, _mm256_and_si256(words, nibble));
    const __m256i high = _mm256_shuffle_epi8(
            table, _mm256_and_si256(_mm256_srli_epi16(words, 4), nibble));
    return _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
}

void hamming(
        size_t nwords,
        const uint64_t* queries,
        size_t nq,
        const uint64_t* words,
        size_t ngroups,
        int32_t* dots) {
    for (size_t q = 0; q < nq; q++) {
        const uint64_t* query = queries + q * nwords;
        for (size_t g = 0; g < ngroups; g++) {
            const uint64_t* group = words + g * kGroup * nwords;
            __m256i sums[4];
            for (int j = 0; j < 4; j++) {
                sums[j] = _mm256_setzero_si256();
            }
            for (size_t w = 0; w < nwords; w++) {
                const __m256i word =
                        _mm256_set1_epi64x(static_cast<long long>(query[w]));
                for (int j = 0; j < 4; j++) {
                    const __m256i docs = _mm256_loadu_si256(
                            (const __m256i*)(group + w * kGroup + 4 * j));
                    sums[j] = _mm256_add_epi64(
                            sums[j],
                            popcount_u64x4(_mm256_xor_si256(docs, word)));
                }
            }
            int32_t* out = dots + (q * ngroups + g) * kGroup;
            const __m256i even = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);
            for (int j = 0; j < 4; j++) {
                _mm_storeu_si128(
                        (__m128i*)(out + 4 * j),
                        _mm256_castsi256_si128(
                                _mm256_permutevar8x32_epi32(sums[j], even)));
            }
        }
    }
}

/// store the number and the key of each of 8 documents that `mask` has
template <class T>
inline size_t store_hits(
        int mask,
        size_t j,
        const T* lanes,
        size_t nhits,
        uint32_t* hits,
        T* keys) {
    while (mask) {
        const int lane = __builtin_ctz(mask);
        mask &= mask - 1;
        hits[nhits] = static_cast<uint32_t>(j + lane);
        keys[nhits++] = lanes[lane];
    }
    return nhits;
}

size_t collect_float(
        const FloatKey& key,
        const int32_t* dots,
        size_t n,
        float threshold,
        uint32_t* hits,
        float* keys) {
    const __m256 scale = _mm256_set1_ps(key.scale);
    const __m256i shift = _mm256_set1_epi32(key.shift);
    const __m256 limit = _mm256_set1_ps(threshold);
    size_t nhits = 0;
    for (size_t j = 0; j < n; j += 8) {
        __m256 bias = _mm256_set1_ps(key.bias);
        if (key.doc_bias) {
            bias = _mm256_add_ps(bias, _mm256_loadu_ps(key.doc_bias + j));
        }
        const __m256i dot = _mm256_loadu_si256((const __m256i*)(dots + j));
        const __m256 product = _mm256_cvtepi32_ps(
                _mm256_sub_epi32(_mm256_add_epi32(dot, dot), shift));
        const __m256 value = _mm256_add_ps(
                bias,
                _mm256_mul_ps(
                        _mm256_loadu_ps(key.doc_scale + j),
                        _mm256_mul_ps(scale, product)));
        const int mask =
                _mm256_movemask_ps(_mm256_cmp_ps(value, limit, _CMP_LT_OQ));
        if (mask) {
            float lanes[8];
            _mm256_storeu_ps(lanes, value);
            nhits = store_hits(mask, j, lanes, nhits, hits, keys);
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
    const __m256i scale = _mm256_set1_epi32(key.scale);
    const __m256i limit = _mm256_set1_epi32(threshold);
    size_t nhits = 0;
    for (size_t j = 0; j < n; j += 8) {
        __m256i bias = _mm256_set1_epi32(key.bias);
        if (key.doc_bias) {
            bias = _mm256_add_epi32(
                    bias,
                    _mm256_loadu_si256((const __m256i*)(key.doc_bias + j)));
        }
        const __m256i dot = _mm256_loadu_si256((const __m256i*)(dots + j));
        const __m256i value =
                _mm256_add_epi32(bias, _mm256_mullo_epi32(scale, dot));
        const int mask = _mm256_movemask_ps(
                _mm256_castsi256_ps(_mm256_cmpgt_epi32(limit, value)));
        if (mask) {
            int32_t lanes[8];
            _mm256_storeu_si256((__m256i*)lanes, value);
            nhits = store_hits(mask, j, lanes, nhits, hits, keys);
        }
    }
    return nhits;
}

} // namespace

const SDCKernels avx2_kernels = {
        "AVX2",
        unpack_group,
        dots,
        level_sums,
        code_dots_all<dot4_low_i32x8, dot4_i32x8>,
        compare_rows<true, dot4_low_i32x8>,
        compare_rows<false, dot4_low_i32x8>,
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
