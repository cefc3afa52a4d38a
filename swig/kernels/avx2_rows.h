// Distances of a query and codes that lie one after the other, included by the
// two files that differ in how they add up four products.
//
// All of them are made of sums over dimensions: the distance itself for the
// squares, and what twice the sum takes away from a bias for the products.

#pragma once

#include "kernels/avx2_code_dots.h"
#include "kernels/avx2_levels.h"
#include "kernels/bits.h"

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// Fetch what is read some 200 ns after the code that is read now: the
/// processor itself does not fetch ahead from one page into the next.
inline void prefetch_row(const uint8_t* code, size_t nbytes) {
    constexpr size_t ahead = 6144;
    for (size_t i = 0; i < nbytes; i += 64) {
        _mm_prefetch((const char*)code + ahead + i, _MM_HINT_T0);
    }
}

inline int64_t count_word(const uint8_t* a, const uint8_t* b) {
    return __builtin_popcountll(
            load_bits<uint64_t>(a, 8) ^ load_bits<uint64_t>(b, 8));
}

/// bits that differ
inline int32_t get_hamming(size_t nbytes, const uint8_t* a, const uint8_t* b) {
    int64_t sum = 0;
    size_t i = 0;
    for (; i + 32 <= nbytes; i += 32) {
        sum += (count_word(a + i, b + i) + count_word(a + i + 8, b + i + 8)) +
                (count_word(a + i + 16, b + i + 16) +
                 count_word(a + i + 24, b + i + 24));
    }
    for (; i + 8 <= nbytes; i += 8) {
        sum += count_word(a + i, b + i);
    }
    for (; i < nbytes; i++) {
        sum += __builtin_popcount(a[i] ^ b[i]);
    }
    return static_cast<int32_t>(sum);
}

template <bool is_l2>
void compare_one_plane(
        size_t nbytes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const int32_t dim = static_cast<int32_t>(8 * nbytes);
    for (size_t k = 0; k < n; k++) {
        prefetch_row(codes + k * nbytes, nbytes);
        const int32_t bits = nbytes == 32
                ? get_hamming(32, query, codes + k * 32)
                : get_hamming(nbytes, query, codes + k * nbytes);
        distances[k] = is_l2 ? bits : dim - 2 * bits;
    }
}

/// bits set in each byte, times a factor, by a table of nibbles
inline __m256i popcount_u8x32(__m256i bytes, int factor) {
    const __m256i counts = _mm256_setr_epi64x(
            0x0302020102010100,
            0x0403030203020201,
            0x0302020102010100,
            0x0403030203020201);
    const __m256i table = factor == 1
            ? counts
            : _mm256_slli_epi64(counts, factor == 4 ? 2 : 3);
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    return _mm256_add_epi8(
            _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, nibble)),
            _mm256_shuffle_epi8(
                    table,
                    _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble)));
}

/** Sums of 8 bytes of two planes each, from 32 bytes of both. With the bits x
 * that differ, (c_q - c_d)^2 is x1 + 4 (x0 & ~x1) + 8 (x0 & x1), or less
 * 8 (x0 & x1) where the bits of the query differ from each other.
 * (V_q^2 - V_q V_d) / 2 is 2 x0 - x1, and 4 x0 + 4 x1 more where they do not;
 * a byte with 8 added is not negative.
 */
template <bool is_l2>
inline __m256i sum_two_planes(
        __m256i code0,
        __m256i code1,
        __m256i query0,
        __m256i query1) {
    const __m256i x0 = _mm256_xor_si256(code0, query0);
    const __m256i x1 = _mm256_xor_si256(code1, query1);
    const __m256i is_mixed = _mm256_xor_si256(query0, query1);
    __m256i sums;
    if (is_l2) {
        const __m256i both = _mm256_and_si256(x0, x1);
        sums = _mm256_add_epi8(
                popcount_u8x32(x1, 1),
                _mm256_add_epi8(
                        popcount_u8x32(_mm256_andnot_si256(x1, x0), 4),
                        popcount_u8x32(
                                _mm256_andnot_si256(is_mixed, both), 8)));
    } else {
        const __m256i n0 = popcount_u8x32(x0, 1);
        // 8 less the bits of x1
        const __m256i n1 =
                popcount_u8x32(_mm256_xor_si256(x1, _mm256_set1_epi8(-1)), 1);
        sums = _mm256_add_epi8(
                _mm256_add_epi8(_mm256_add_epi8(n0, n0), n1),
                _mm256_add_epi8(
                        popcount_u8x32(_mm256_andnot_si256(is_mixed, x0), 4),
                        popcount_u8x32(_mm256_andnot_si256(is_mixed, x1), 4)));
    }
    return _mm256_sad_epu8(sums, _mm256_setzero_si256());
}

/// @param width  a multiple of 32
template <bool is_l2>
void compare_two_planes(
        size_t width,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const int32_t bias = is_l2 ? 0 : get_bias_of_two_planes(width, query);
    for (size_t k = 0; k < n; k++) {
        const uint8_t* code = codes + k * 2 * width;
        prefetch_row(code, 2 * width);
        __m256i sums = _mm256_setzero_si256();
        for (size_t i = 0; i < width; i += 32) {
            const __m256i part = sum_two_planes<is_l2>(
                    _mm256_loadu_si256((const __m256i*)(code + i)),
                    _mm256_loadu_si256((const __m256i*)(code + width + i)),
                    _mm256_loadu_si256((const __m256i*)(query + i)),
                    _mm256_loadu_si256((const __m256i*)(query + width + i)));
            sums = _mm256_add_epi64(sums, part);
        }
        const int32_t sum = sum_i32x8(sums);
        distances[k] = is_l2 ? sum : bias - 2 * sum;
    }
}

/// planes of 16 bytes, of two codes at a time
template <bool is_l2>
void compare_two_planes_of_16(
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const int32_t bias = is_l2 ? 0 : get_bias_of_two_planes(16, query);
    const __m256i both = _mm256_loadu_si256((const __m256i*)query);
    const __m256i query0 = _mm256_permute2x128_si256(both, both, 0x00);
    const __m256i query1 = _mm256_permute2x128_si256(both, both, 0x11);
    for (size_t k = 0; k < n; k += 2) {
        const __m256i* code = (const __m256i*)(codes + k * 32);
        prefetch_row(codes + k * 32, 64);
        const __m256i a = _mm256_loadu_si256(code);
        const __m256i b = k + 1 < n ? _mm256_loadu_si256(code + 1) : a;
        const __m256i sums = sum_two_planes<is_l2>(
                _mm256_permute2x128_si256(a, b, 0x20),
                _mm256_permute2x128_si256(a, b, 0x31),
                query0,
                query1);
        const __m256i totals =
                _mm256_add_epi64(sums, _mm256_shuffle_epi32(sums, 0x4e));
        const int32_t sum_a = _mm256_extract_epi32(totals, 0);
        distances[k] = is_l2 ? sum_a : bias - 2 * sum_a;
        if (k + 1 < n) {
            const int32_t sum_b = _mm256_extract_epi32(totals, 4);
            distances[k + 1] = is_l2 ? sum_b : bias - 2 * sum_b;
        }
    }
}

/// dimensions that are compared before the next ones, of all codes
constexpr int kLevelSlice = 512;

/** What levels are compared with in the dimensions i .. i + 511: levels, or
 * minus the values V.
 * @param rows  output, 16 registers
 * @return      the bias
 */
template <bool is_l2>
inline int32_t load_query_slice(
        const PlanesView& planes,
        const uint8_t* query,
        int i,
        __m256i* rows) {
    const int max_level = (1 << planes.nplanes) - 1;
    int32_t bias = 0;
    for (int end = clamp(i + kLevelSlice, 0, planes.dim); i < end; i += 32) {
        *rows = levels_u8x32(planes, query, i);
        if (!is_l2) {
            // levels of codes past the last dimension are 0
            *rows = _mm256_sub_epi8(
                    _mm256_set1_epi8(static_cast<char>(max_level)),
                    _mm256_add_epi8(*rows, *rows));
            int8_t values[32];
            _mm256_storeu_si256((__m256i*)values, *rows);
            for (int j = 0; j < clamp(planes.dim - i, 0, 32); j++) {
                bias += max_level * values[j];
            }
        }
        rows++;
    }
    return bias;
}

/** The same levels as levels_u8x32(), of planes of equal widths that have all
 * of 32 dimensions.
 * @param code  the byte of its first plane where they begin
 */
inline __m256i whole_levels_u8x32(
        int nplanes,
        size_t width,
        const uint8_t* code) {
    __m256i levels = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int t = 0; t < nplanes; t++) {
        const uint32_t bits = load_bits<uint32_t>(code + t * width, 4);
        // bits that are set are -1
        levels = _mm256_sub_epi8(
                _mm256_add_epi8(levels, levels), spread_bits_u8x32(bits));
    }
    return levels;
}

/// @param nplanes  if known, otherwise 0
template <
        bool is_l2,
        int nplanes,
        __m256i (*dot4_low)(__m256i, __m256i, __m256i)>
void compare_level_rows(
        const PlanesView& planes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const size_t code_size = planes.plane_offsets[planes.nplanes];
    const size_t width = planes.plane_offsets[1];
    const int count = nplanes > 0 ? nplanes : planes.nplanes;
    for (int begin = 0; begin < planes.dim; begin += kLevelSlice) {
        const int end = clamp(begin + kLevelSlice, 0, planes.dim);
        __m256i rows[kLevelSlice / 32];
        const int32_t bias =
                load_query_slice<is_l2>(planes, query, begin, rows);
        for (size_t k = 0; k < n; k++) {
            const uint8_t* code = codes + k * code_size;
            __m256i sums = _mm256_setzero_si256();
            for (int i = begin; i < end; i += 32) {
                const __m256i dims = rows[(i - begin) / 32];
                __m256i levels = i + 32 <= end
                        ? whole_levels_u8x32(count, width, code + i / 8)
                        : levels_u8x32(planes, count, code, i);
                if (is_l2) {
                    levels = _mm256_abs_epi8(_mm256_sub_epi8(levels, dims));
                }
                sums = dot4_low(sums, levels, is_l2 ? levels : dims);
            }
            const int32_t sum = sum_i32x8(sums);
            const int32_t part = is_l2 ? sum : bias - 2 * sum;
            distances[k] = begin == 0 ? part : distances[k] + part;
        }
    }
}

/// @param dot4_low  adds the products of four dimensions at a time to its sums;
///                  levels are below 128
template <bool is_l2, __m256i (*dot4_low)(__m256i, __m256i, __m256i)>
void compare_rows(
        const PlanesView& planes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const size_t width = planes.plane_offsets[1];
    if (planes.nplanes == 1) {
        return compare_one_plane<is_l2>(width, query, codes, n, distances);
    }
    if (planes.nplanes == 2 && width == 16) {
        return compare_two_planes_of_16<is_l2>(query, codes, n, distances);
    }
    if (planes.nplanes == 2 && width % 32 == 0) {
        return compare_two_planes<is_l2>(width, query, codes, n, distances);
    }
    if (planes.nplanes == 4) {
        return compare_level_rows<is_l2, 4, dot4_low>(
                planes, query, codes, n, distances);
    }
    compare_level_rows<is_l2, 0, dot4_low>(planes, query, codes, n, distances);
}

} // namespace

} // namespace faiss_bebr
