#include "kernels/levels.h"

#ifdef __x86_64__

#include "kernels/avx512_columns.h"
#include "kernels/avx512_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// 16 rows of bytes become columns in each 128-bit lane
inline void transpose_lanes_u8x16(__m512i rows[16]) {
    __m512i t[16];
    for (int round = 0; round < 2; round++) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            t[2 * i] = _mm512_unpacklo_epi8(rows[i], rows[i + 8]);
            t[2 * i + 1] = _mm512_unpackhi_epi8(rows[i], rows[i + 8]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            rows[2 * i] = _mm512_unpacklo_epi8(t[i], t[i + 8]);
            rows[2 * i + 1] = _mm512_unpackhi_epi8(t[i], t[i + 8]);
        }
    }
}

/// 16 bytes of each of four codes
inline __m512i load_lanes_u8x16(
        const uint8_t* a,
        const uint8_t* b,
        const uint8_t* c,
        const uint8_t* d) {
    __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i*)a));
    x = _mm512_mask_broadcast_i32x4(
            x, 0x00f0, _mm_loadu_si128((const __m128i*)b));
    x = _mm512_mask_broadcast_i32x4(
            x, 0x0f00, _mm_loadu_si128((const __m128i*)c));
    return _mm512_mask_broadcast_i32x4(
            x, 0xf000, _mm_loadu_si128((const __m128i*)d));
}

/// at most 15 bytes of each, zeros for the others
inline __m512i load_lanes_u8x16(
        const uint8_t* a,
        const uint8_t* b,
        const uint8_t* c,
        const uint8_t* d,
        __mmask16 mask) {
    __m512i x = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(mask, a));
    x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(mask, b), 1);
    x = _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(mask, c), 2);
    return _mm512_inserti32x4(x, _mm_maskz_loadu_epi8(mask, d), 3);
}

/** Row 4t + i for byte 3t + i of 64 codes, of 16 bytes.
 * @param nbytes  of those 16 that exist
 * @param place   of the first one in three times 16 bytes, 0 .. 2
 */
template <int place, bool is_full>
inline void store_byte_rows(
        const uint8_t* const* codes,
        size_t i,
        size_t nbytes,
        uint8_t* rows) {
    const __mmask16 mask =
            static_cast<__mmask16>(mask_of_first(static_cast<int>(nbytes)));
    __m512i bytes[16];
#pragma GCC unroll 16
    for (int k = 0; k < 16; k++) {
        const uint8_t* a = codes[k] + i;
        const uint8_t* b = codes[16 + k] + i;
        const uint8_t* c = codes[32 + k] + i;
        const uint8_t* d = codes[48 + k] + i;
        bytes[k] = is_full ? load_lanes_u8x16(a, b, c, d)
                           : load_lanes_u8x16(a, b, c, d, mask);
    }
    transpose_lanes_u8x16(bytes);
#pragma GCC unroll 16
    for (int k = 0; k < 16; k++) {
        const int j = 16 * place + k;
        if (is_full || k < int(nbytes)) {
            _mm512_storeu_si512(rows + (j + j / 3) * kColumn, bytes[k]);
        }
    }
}

template <bool is_full>
inline void store_byte_rows(
        const uint8_t* const* codes,
        size_t i,
        size_t nbytes,
        uint8_t* rows) {
    rows += i / 48 * 64 * kColumn;
    switch (i % 48 / 16) {
        case 0:
            return store_byte_rows<0, is_full>(codes, i, nbytes, rows);
        case 1:
            return store_byte_rows<1, is_full>(codes, i, nbytes, rows);
        default:
            return store_byte_rows<2, is_full>(codes, i, nbytes, rows);
    }
}

void transpose(
        size_t nbytes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* rows) {
    const uint8_t* padded[kColumn];
    if (n < kColumn) {
        // any bytes, which are cleared again
        for (size_t k = 0; k < kColumn; k++) {
            padded[k] = codes[k < n ? k : 0];
        }
        codes = padded;
    }
    size_t i = 0;
    for (; i + 16 <= nbytes; i += 16) {
        store_byte_rows<true>(codes, i, 16, rows);
    }
    if (i < nbytes) {
        store_byte_rows<false>(codes, i, nbytes - i, rows);
    }
    const size_t nrows = get_num_code_rows(6, nbytes);
    for (size_t b = nbytes; b % 3 != 0; b++) {
        _mm512_storeu_si512(
                rows + (b + b / 3) * kColumn, _mm512_setzero_si512());
    }
    const __mmask64 present =
            _cvtu64_mask64(mask_of_first(static_cast<int>(n)));
    for (size_t r = 0; r < nrows; r += 4) {
        uint8_t* row = rows + r * kColumn;
        __m512i bytes[3];
        for (int i = 0; i < 3; i++) {
            bytes[i] = _mm512_loadu_si512(row + i * kColumn);
            if (n < kColumn) {
                bytes[i] = _mm512_maskz_mov_epi8(present, bytes[i]);
                _mm512_storeu_si512(row + i * kColumn, bytes[i]);
            }
        }
        _mm512_storeu_si512(
                row + 3 * kColumn,
                merge_upper_bits(bytes[0], bytes[1], bytes[2]));
    }
}

/// entries j of a table for which bit i of j is set
constexpr uint64_t kIsSet[6] = {
        0xaaaaaaaaaaaaaaaa,
        0xcccccccccccccccc,
        0xf0f0f0f0f0f0f0f0,
        0xff00ff00ff00ff00,
        0xffff0000ffff0000,
        0xffffffff00000000};

void make_tables(
        size_t nbytes,
        const int16_t* weights,
        float factor,
        uint8_t* tables) {
    const __m512i low_bytes = _mm512_setr_epi64(
            0x0e0c0a0806040200 + 0x0101010101010101,
            0x1e1c1a1816141210 + 0x0101010101010101,
            0x2e2c2a2826242220 + 0x0101010101010101,
            0x3e3c3a3836343230 + 0x0101010101010101,
            0x4e4c4a4846444240 + 0x0101010101010101,
            0x5e5c5a5856545250 + 0x0101010101010101,
            0x6e6c6a6866646260 + 0x0101010101010101,
            0x7e7c7a7876747270 + 0x0101010101010101);
    const size_t ntables = get_num_code_rows(6, nbytes);
    for (size_t r = 0; r < ntables; r++) {
        const __m128i w = _mm_loadu_si128((const __m128i*)(weights + 8 * r));
        const __m256 magnitude =
                _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_abs_epi16(w)));
        const __m256i scaled = _mm256_cvttps_epi32(
                _mm256_mul_ps(magnitude, _mm256_set1_ps(factor)));
        const __mmask8 positive = _mm_cmpgt_epi16_mask(w, _mm_setzero_si128());
        alignas(16) uint16_t steps[8];
        _mm_store_si128((__m128i*)steps, _mm256_cvtusepi32_epi16(scaled));
        __m512i low = _mm512_setzero_si512();
        __m512i high = low;
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) {
            // of a positive weight, entries without the bit
            const uint64_t flip = -uint64_t((positive >> i) & 1);
            const uint64_t mask = kIsSet[i] ^ flip;
            const __m512i step =
                    _mm512_set1_epi16(static_cast<short>(steps[i]));
            low = _mm512_mask_adds_epu16(
                    low, static_cast<__mmask32>(mask), low, step);
            high = _mm512_mask_adds_epu16(
                    high, static_cast<__mmask32>(mask >> 32), high, step);
        }
        _mm512_storeu_si512(
                tables + r * kColumn,
                _mm512_permutex2var_epi8(low, low_bytes, high));
    }
}

/// NQ queries with a group, as many as registers hold
template <int NQ>
inline void sum_tile(
        size_t nrows,
        const uint8_t* tables,
        const uint8_t* rows,
        size_t ngroups,
        uint16_t* sums) {
    PairSums pairs[NQ];
    for (size_t r = 0; r < nrows; r += 4) {
        __m512i index[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            index[i] = _mm512_loadu_si512(rows + (r + i) * kColumn);
        }
#pragma GCC unroll 8
        for (int q = 0; q < NQ; q++) {
            const uint8_t* table = tables + (q * nrows + r) * kColumn;
            __m512i sum = _mm512_setzero_si512();
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                const __m512i entries = _mm512_permutexvar_epi8(
                        index[i], _mm512_loadu_si512(table + i * kColumn));
                sum = _mm512_adds_epu8(sum, entries);
            }
            pairs[q].add(sum);
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < NQ; q++) {
        pairs[q].store(sums + q * ngroups * kColumn);
    }
}

template <int NQ>
inline void sum_groups(
        size_t nrows,
        const uint8_t* tables,
        const uint8_t* rows,
        size_t ngroups,
        uint16_t* sums) {
    for (size_t g = 0; g < ngroups; g++) {
        sum_tile<NQ>(
                nrows,
                tables,
                rows + g * nrows * kColumn,
                ngroups,
                sums + g * kColumn);
    }
}

void sum_tables(
        size_t nbytes,
        const uint8_t* tables,
        size_t nq,
        const uint8_t* rows,
        size_t ngroups,
        uint16_t* sums) {
    // as many tables as rows, of as many entries
    const size_t nrows = get_num_code_rows(6, nbytes);
    const size_t table_size = nrows * kColumn;
    const size_t nsums = ngroups * kColumn;
    size_t q = 0;
    for (; q + 6 <= nq; q += 6) {
        sum_groups<6>(
                nrows,
                tables + q * table_size,
                rows,
                ngroups,
                sums + q * nsums);
    }
    for (; q + 3 <= nq; q += 3) {
        sum_groups<3>(
                nrows,
                tables + q * table_size,
                rows,
                ngroups,
                sums + q * nsums);
    }
    for (; q < nq; q++) {
        sum_groups<1>(
                nrows,
                tables + q * table_size,
                rows,
                ngroups,
                sums + q * nsums);
    }
}

size_t find_below(
        const uint16_t* sums,
        const int32_t* limits,
        size_t ngroups,
        uint32_t* hits) {
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        if (limits[g] <= 0) {
            continue;
        }
        const int32_t most = limits[g] <= 65535 ? limits[g] - 1 : 65535;
        const __m512i limit = _mm512_set1_epi16(static_cast<short>(most));
        const __mmask32 even = _mm512_cmple_epu16_mask(
                _mm512_loadu_si512(sums + g * kColumn), limit);
        const __mmask32 odd = _mm512_cmple_epu16_mask(
                _mm512_loadu_si512(sums + g * kColumn + kColumn / 2), limit);
        if (!_kortestz_mask32_u8(even, odd)) {
            nhits += store_hits(g, even, odd, hits + nhits);
        }
    }
    return nhits;
}

} // namespace

const TableKernels avx512_vbmi_table_kernels = {
        6,
        transpose,
        make_tables,
        sum_tables,
        find_below,
        sum_columns,
        decode_float16,
        look_up_floats,
        add_centroid_keys,
        find_open,
        find_below_numbered};

} // namespace faiss_bebr

#endif // __x86_64__
