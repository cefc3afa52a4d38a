// Distances of a query and codes of one or two planes that lie one after the
// other, included by avx512_rows.h.
//
// All of them are made of sums over dimensions: the distance itself for the
// squares, and what twice the sum takes away from a bias for the products.

#pragma once

#include "kernels/avx512_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// Fetch what is read some 200 ns after the nbytes of codes that are read now:
/// the processor itself does not fetch ahead from one page into the next.
inline void prefetch_rows(const uint8_t* codes, size_t nbytes) {
    constexpr size_t ahead = 6144;
    for (size_t i = 0; i < nbytes; i += 64) {
        _mm_prefetch((const char*)codes + ahead + i, _MM_HINT_T0);
    }
}

/// sums of 32 / nlanes codes, in order, from four registers that hold those of
/// 8 / nlanes codes each in so many lanes of 64 bits
template <int nlanes>
inline __m512i sum_lanes_i64x8(const __m512i rows[4]) {
    const __m512i x01 = _mm512_add_epi64(
            _mm512_unpacklo_epi64(rows[0], rows[1]),
            _mm512_unpackhi_epi64(rows[0], rows[1]));
    const __m512i x23 = _mm512_add_epi64(
            _mm512_unpacklo_epi64(rows[2], rows[3]),
            _mm512_unpackhi_epi64(rows[2], rows[3]));
    // four sums in each 128-bit lane: of rows 0, 2, 1 and 3
    __m512i x = _mm512_mask_shuffle_epi32(
            x01, 0xaaaa, x23, static_cast<_MM_PERM_ENUM>(0xa0));
    if (nlanes >= 4) {
        x = _mm512_add_epi32(x, _mm512_shuffle_i64x2(x, x, 0xb1));
    }
    if (nlanes == 8) {
        x = _mm512_add_epi32(x, _mm512_shuffle_i64x2(x, x, 0x4e));
    }
    const __m512i order = nlanes == 2
            ? _mm512_setr_epi32(
                      0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15)
            : nlanes == 4
            ? _mm512_setr_epi32(
                      0, 8, 2, 10, 1, 9, 3, 11, 0, 0, 0, 0, 0, 0, 0, 0)
            : _mm512_setr_epi32(0, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_permutexvar_epi32(order, x);
}

/// what bits of a query and of codes, in the same places, add to their sums
template <int nplanes, bool is_l2>
struct BitSums;

template <bool is_l2>
struct BitSums<1, is_l2> {
    const __m512i query, exists;

    BitSums(const __m512i planes[1], __m512i exists_in)
            : query(planes[0]), exists(exists_in) {}

    __m512i operator()(const __m512i code[1]) const {
        // (code ^ query) & exists
        return popcount_u64x8(
                _mm512_ternarylogic_epi64(code[0], query, exists, 0x28));
    }
};

/** With the bits x that differ, (c_q - c_d)^2 is 4 x0 + x1 + 4 x0 x1, or less
 * 8 x0 x1 where the bits of the query differ from each other. V_q^2 - V_q V_d
 * is 12 x0 + 6 x1, there 4 x0 - 2 x1.
 */
template <bool is_l2>
struct BitSums<2, is_l2> {
    const __m512i query0, query1, exists, is_mixed;

    BitSums(const __m512i planes[2], __m512i exists_in)
            : query0(planes[0]),
              query1(planes[1]),
              exists(exists_in),
              is_mixed(_mm512_xor_si512(planes[0], planes[1])) {}

    __m512i operator()(const __m512i code[2]) const {
        const __m512i x0 =
                _mm512_ternarylogic_epi64(code[0], query0, exists, 0x28);
        const __m512i x1 =
                _mm512_ternarylogic_epi64(code[1], query1, exists, 0x28);
        const __m512i n1 = popcount_u64x8(x1);
        if (is_l2) {
            const __m512i only0 = popcount_u64x8(_mm512_andnot_si512(x1, x0));
            // x0 & x1 & ~is_mixed
            const __m512i both = popcount_u64x8(
                    _mm512_ternarylogic_epi64(x0, x1, is_mixed, 0x40));
            const __m512i sum =
                    _mm512_add_epi64(only0, _mm512_add_epi64(both, both));
            return _mm512_add_epi64(n1, _mm512_slli_epi64(sum, 2));
        }
        const __m512i n0 = popcount_u64x8(x0);
        const __m512i sum = _mm512_add_epi64(
                popcount_u64x8(_mm512_andnot_si512(is_mixed, x0)),
                popcount_u64x8(_mm512_andnot_si512(is_mixed, x1)));
        return _mm512_sub_epi64(
                _mm512_slli_epi64(
                        _mm512_add_epi64(n0, _mm512_add_epi64(sum, sum)), 1),
                n1);
    }
};

/// the sum of V_q^2, which twice the sums of BitSums are taken from
template <int nplanes>
inline int32_t get_bit_bias(size_t width, const uint8_t* query) {
    int32_t bias = static_cast<int32_t>(8 * width);
    for (size_t i = 0; nplanes == 2 && i < width; i++) {
        const uint8_t is_mixed = query[i] ^ query[width + i];
        bias += 8 * (8 - __builtin_popcount(is_mixed));
    }
    return bias;
}

/// 64 / n bytes, n times
template <int n>
inline __m512i repeat_bytes(const uint8_t* p) {
    switch (n) {
        case 1:
            return _mm512_loadu_si512(p);
        case 2:
            return _mm512_broadcast_i64x4(
                    _mm256_loadu_si256((const __m256i*)p));
        default:
            return _mm512_broadcast_i64x2(_mm_loadu_si128((const __m128i*)p));
    }
}

/// a register for each plane of as many codes as fill it, 1, 2 or 4
template <int nplanes, int ncodes>
inline void load_short_bits(const uint8_t* codes, __m512i planes[nplanes]) {
    const __m512i first = _mm512_loadu_si512(codes);
    if (nplanes == 1) {
        planes[0] = first;
        return;
    }
    const __m512i second = _mm512_loadu_si512(codes + 64);
    if (ncodes == 1) {
        planes[0] = first;
        planes[nplanes - 1] = second;
        return;
    }
    constexpr int even = ncodes == 2 ? 0x44 : 0x88;
    constexpr int odd = ncodes == 2 ? 0xee : 0xdd;
    planes[0] = _mm512_shuffle_i64x2(first, second, even);
    planes[nplanes - 1] = _mm512_shuffle_i64x2(first, second, odd);
}

/** Codes with planes of 64 / ncodes bytes, as many as there are in groups of
 * four times ncodes.
 * @return  how many
 */
template <int nplanes, bool is_l2, int ncodes>
inline size_t compare_short_bits(
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t bias,
        int32_t* distances) {
    constexpr size_t width = 64 / ncodes;
    __m512i planes[nplanes];
    for (int t = 0; t < nplanes; t++) {
        planes[t] = repeat_bytes<ncodes>(query + t * width);
    }
    const BitSums<nplanes, is_l2> sums_of(planes, _mm512_set1_epi8(-1));
    size_t k = 0;
    for (; k + 4 * ncodes <= n; k += 4 * ncodes) {
        const uint8_t* tile = codes + k * nplanes * width;
        __m512i sums[4];
        prefetch_rows(tile, 256 * nplanes);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m512i bits[nplanes];
            load_short_bits<nplanes, ncodes>(tile + 64 * nplanes * j, bits);
            sums[j] = sums_of(bits);
        }
        __m512i x = sum_lanes_i64x8<8 / ncodes>(sums);
        if (!is_l2) {
            x = _mm512_sub_epi32(
                    _mm512_set1_epi32(bias), _mm512_add_epi32(x, x));
        }
        _mm512_mask_storeu_epi32(
                distances + k,
                static_cast<__mmask16>((1 << 4 * ncodes) - 1),
                x);
    }
    return k;
}

/** Adds the sums of N codes, at most 4, of 64 bytes of each plane.
 * @param nbytes   how many of them exist, if not is_whole
 * @param is_last  bytes past the codes may not be read
 */
template <int nplanes, bool is_l2, int N, bool is_whole, bool is_last>
inline void add_bit_sums(
        size_t width,
        const uint8_t* query,
        const uint8_t* codes,
        int nbytes,
        __m512i sums[4]) {
    __m512i planes[nplanes];
    for (int t = 0; t < nplanes; t++) {
        const uint8_t* p = query + t * width;
        planes[t] = is_whole ? _mm512_loadu_si512(p) : load_u8x64(p, 0, nbytes);
    }
    const __mmask64 exists =
            _cvtu64_mask64(is_whole ? ~uint64_t(0) : mask_of_first(nbytes));
    const BitSums<nplanes, is_l2> sums_of(planes, _mm512_movm_epi8(exists));
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
        __m512i bits[nplanes];
        for (int t = 0; t < nplanes; t++) {
            const uint8_t* p = codes + (k * nplanes + t) * width;
            // masked loads are not what the processor fetches ahead
            bits[t] = is_whole || !is_last ? _mm512_loadu_si512(p)
                                           : load_u8x64(p, 0, nbytes);
        }
        sums[k] = _mm512_add_epi64(sums[k], sums_of(bits));
    }
}

/// N codes, at most 4
template <int nplanes, bool is_l2, int N, bool is_last>
inline void compare_bits(
        size_t width,
        const uint8_t* query,
        const uint8_t* codes,
        int32_t bias,
        int32_t* distances) {
    __m512i sums[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        sums[k] = _mm512_setzero_si512();
    }
    size_t i = 0;
    for (; i + 64 <= width; i += 64) {
        add_bit_sums<nplanes, is_l2, N, true, is_last>(
                width, query + i, codes + i, 64, sums);
    }
    if (i < width) {
        add_bit_sums<nplanes, is_l2, N, false, is_last>(
                width, query + i, codes + i, int(width - i), sums);
    }
    __m128i x = _mm512_castsi512_si128(sum_lanes_i64x8<8>(sums));
    if (!is_l2) {
        x = _mm_sub_epi32(_mm_set1_epi32(bias), _mm_add_epi32(x, x));
    }
    int32_t totals[4];
    _mm_storeu_si128((__m128i*)totals, x);
    std::memcpy(distances, totals, N * sizeof(int32_t));
}

/// of one or two planes
template <int nplanes, bool is_l2>
void compare_bit_rows(
        size_t width,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const size_t code_size = nplanes * width;
    const int32_t bias = is_l2 ? 0 : get_bit_bias<nplanes>(width, query);
    size_t k = 0;
    if (width == 64) {
        k = compare_short_bits<nplanes, is_l2, 1>(
                query, codes, n, bias, distances);
    } else if (width == 32) {
        k = compare_short_bits<nplanes, is_l2, 2>(
                query, codes, n, bias, distances);
    } else if (width == 16) {
        k = compare_short_bits<nplanes, is_l2, 4>(
                query, codes, n, bias, distances);
    }
    // how many of the last codes are less than a register from the end
    const size_t nlast = width % 64 == 0 ? 0 : 63 / code_size + 1;
    for (; k + 4 + nlast <= n; k += 4) {
        prefetch_rows(codes + k * code_size, 4 * code_size);
        compare_bits<nplanes, is_l2, 4, false>(
                width, query, codes + k * code_size, bias, distances + k);
    }
    for (; k < n; k++) {
        compare_bits<nplanes, is_l2, 1, true>(
                width, query, codes + k * code_size, bias, distances + k);
    }
}

} // namespace

} // namespace faiss_bebr
