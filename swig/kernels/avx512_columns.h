// Codes that lie side by side, with 512-bit registers and VBMI, included by the
// file that is compiled for them.

#pragma once

#include "kernels/table_hits.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// the index of the upper bits of three rows; its own upper bits do not count
inline __m512i merge_upper_bits(__m512i a, __m512i b, __m512i c) {
    const __m512i bits01 = _mm512_set1_epi8(0x03);
    const __m512i bits0123 = _mm512_set1_epi8(0x0f);
    // bits where the first argument is set come from the second
    constexpr int select = 0xca;
    const __m512i ab = _mm512_ternarylogic_epi64(
            bits01, _mm512_srli_epi16(a, 6), _mm512_srli_epi16(b, 4), select);
    return _mm512_ternarylogic_epi64(
            bits0123, ab, _mm512_srli_epi16(c, 2), select);
}

/// Sums of 16 bits of two documents: the odd one's, and with it in the upper
/// half that of the even one.
struct PairSums {
    __m512i odd = _mm512_setzero_si512();
    __m512i both = _mm512_setzero_si512();

    /// @param sum  of the entries of a triple, of each document
    void add(__m512i sum) {
        both = _mm512_add_epi16(both, sum);
        odd = _mm512_add_epi16(odd, _mm512_srli_epi16(sum, 8));
    }
    void store(uint16_t* sums) const {
        const __m512i even = _mm512_sub_epi16(both, _mm512_slli_epi16(odd, 8));
        _mm512_storeu_si512(sums, even);
        _mm512_storeu_si512(sums + kColumn / 2, odd);
    }
};

inline __m512i load_column(const uint8_t* columns, size_t byte, size_t nbytes) {
    return byte < nbytes ? _mm512_loadu_si512(columns + byte * kColumn)
                         : _mm512_setzero_si512();
}

/// what the tables of a triple have for its three bytes
inline __m512i look_up_bytes(
        const uint8_t* table,
        __m512i a,
        __m512i b,
        __m512i c) {
    // the compiler would load them twice, and loads are what takes longest
    asm("" : "+v"(a), "+v"(b), "+v"(c));
    const auto look_up = [table](int row, __m512i index) {
        return _mm512_permutexvar_epi8(
                index, _mm512_loadu_si512(table + row * kColumn));
    };
    const __m512i ab = _mm512_adds_epu8(look_up(0, a), look_up(1, b));
    const __m512i upper = merge_upper_bits(a, b, c);
    const __m512i rest = _mm512_adds_epu8(look_up(2, c), look_up(3, upper));
    return _mm512_adds_epu8(ab, rest);
}

void sum_columns(
        size_t nbytes,
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        uint16_t* sums) {
    for (size_t g = 0; g < ngroups; g++) {
        // the processor fetches ahead within a page, which a group about is, or
        // more
        const uint8_t* later = columns + stride;
        const uint8_t* entries = table;
        PairSums pairs;
        size_t byte = 0;
        for (; byte + 3 <= nbytes; byte += 3) {
            const uint8_t* row = columns + byte * kColumn;
            for (size_t i = 0; i < 3; i++) {
                _mm_prefetch(
                        (const char*)(later + (byte + i) * kColumn),
                        _MM_HINT_T0);
            }
            pairs.add(look_up_bytes(
                    entries,
                    _mm512_loadu_si512(row),
                    _mm512_loadu_si512(row + kColumn),
                    _mm512_loadu_si512(row + 2 * kColumn)));
            entries += 4 * kColumn;
        }
        if (byte < nbytes) {
            pairs.add(look_up_bytes(
                    entries,
                    load_column(columns, byte, nbytes),
                    load_column(columns, byte + 1, nbytes),
                    _mm512_setzero_si512()));
        }
        for (; byte < nbytes; byte++) {
            _mm_prefetch((const char*)(later + byte * kColumn), _MM_HINT_T0);
        }
        pairs.store(sums);
        columns += stride;
        sums += kColumn;
    }
}

/// numbers of 16 bits in the order of sums, of their low and high bytes
inline void join_bytes(__m512i low, __m512i high, __m512i joined[2]) {
    const __m512i low_bytes = _mm512_set1_epi16(0x00ff);
    constexpr int select = 0xca;
    joined[0] = _mm512_ternarylogic_epi64(
            low_bytes, low, _mm512_slli_epi16(high, 8), select);
    joined[1] = _mm512_ternarylogic_epi64(
            low_bytes, _mm512_srli_epi16(low, 8), high, select);
}

void decode_float16(
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        float* values) {
    const __m512i no_sign = _mm512_set1_epi16(0x7fff);
    for (size_t g = 0; g < ngroups; g++) {
        __m512i halves[2];
        join_bytes(
                _mm512_loadu_si512(columns),
                _mm512_loadu_si512(columns + kColumn),
                halves);
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            const __m512i x = _mm512_and_si512(halves[i], no_sign);
            const __m256i low = _mm512_castsi512_si256(x);
            const __m256i high = _mm512_extracti64x4_epi64(x, 1);
            _mm512_storeu_ps(values, _mm512_cvtph_ps(low));
            _mm512_storeu_ps(values + 16, _mm512_cvtph_ps(high));
            values += 32;
        }
        columns += stride;
    }
}

/// A table of 256 bytes.
struct ByteTable {
    __m512i rows[4];

    __m512i look_up(__m512i index) const {
        const __m512i lower = _mm512_permutex2var_epi8(rows[0], index, rows[1]);
        const __m512i upper = _mm512_permutex2var_epi8(rows[2], index, rows[3]);
        return _mm512_mask_mov_epi8(lower, _mm512_movepi8_mask(index), upper);
    }
};

/// of bytes one after the other
inline ByteTable load_byte_table(const uint8_t* bytes) {
    ByteTable table;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        table.rows[i] = _mm512_loadu_si512(bytes + 64 * i);
    }
    return table;
}

/// of the lower or the upper bytes of numbers
inline ByteTable load_byte_table(const uint16_t* numbers, bool has_upper) {
    ByteTable table;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256i bytes[2];
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            const __m512i x = _mm512_loadu_si512(numbers + 64 * i + 32 * k);
            bytes[k] = _mm512_cvtepi16_epi8(
                    has_upper ? _mm512_srli_epi16(x, 8) : x);
        }
        table.rows[i] = _mm512_inserti64x4(
                _mm512_castsi256_si512(bytes[0]), bytes[1], 1);
    }
    return table;
}

/// numbers of 32 bits, of their lower and upper halves
inline void store_joined(__m512i low, __m512i high, float* values) {
    // 0, 32, 1, 33, ..: the first halves of both
    const __m512i first = _mm512_setr_epi32(
            0x200000,
            0x210001,
            0x220002,
            0x230003,
            0x240004,
            0x250005,
            0x260006,
            0x270007,
            0x280008,
            0x290009,
            0x2a000a,
            0x2b000b,
            0x2c000c,
            0x2d000d,
            0x2e000e,
            0x2f000f);
    const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
    _mm512_storeu_si512(values, _mm512_permutex2var_epi16(low, first, high));
    _mm512_storeu_si512(
            values + 16, _mm512_permutex2var_epi16(low, second, high));
}

void look_up_floats(
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        float* values) {
    for (size_t g = 0; g < ngroups; g++) {
        const __m512i index = _mm512_loadu_si512(columns);
        __m512i bytes[4], low[2], high[2];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
            bytes[k] = load_byte_table(table + 256 * k).look_up(index);
        }
        join_bytes(bytes[0], bytes[1], low);
        join_bytes(bytes[2], bytes[3], high);
        store_joined(low[0], high[0], values);
        store_joined(low[1], high[1], values + 32);
        columns += stride;
        values += kColumn;
    }
}

void add_centroid_keys(
        const float* keys,
        size_t ncentroids,
        const uint8_t* columns,
        size_t stride,
        const float* scales,
        const float* norms,
        size_t ngroups,
        float* biases) {
    const __m512 rounding = _mm512_set1_ps(kRoundingOfBounds);
    const __m512 one = _mm512_set1_ps(1.0f);
    const __m512i last = _mm512_set1_epi32(static_cast<int>(ncentroids - 1));
    for (size_t g = 0; g < ngroups; g++) {
        __m512i joined[2];
        join_bytes(
                _mm512_loadu_si512(columns),
                ncentroids > 256 ? _mm512_loadu_si512(columns + kColumn)
                                 : _mm512_setzero_si512(),
                joined);
        const __m256i numbers[4] = {
                _mm512_castsi512_si256(joined[0]),
                _mm512_extracti64x4_epi64(joined[0], 1),
                _mm512_castsi512_si256(joined[1]),
                _mm512_extracti64x4_epi64(joined[1], 1)};
        const __m512 norm = _mm512_set1_ps(norms[g]);
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            const size_t j = g * kColumn + 16 * i;
            const __m512i number =
                    _mm512_min_epi32(_mm512_cvtepu16_epi32(numbers[i]), last);
            const __m512 key = _mm512_mul_ps(
                    _mm512_i32gather_ps(number, keys, sizeof(float)),
                    scales ? _mm512_loadu_ps(scales + j) : one);
            const __m512 bias = _mm512_add_ps(norm, key);
            const __m512 lost = _mm512_mul_ps(rounding, _mm512_abs_ps(bias));
            _mm512_storeu_ps(biases + j, _mm512_sub_ps(bias, lost));
        }
        columns += stride;
    }
}

size_t find_open(
        const SumBound& bound,
        const uint16_t* sums,
        const float* scales,
        const float* biases,
        size_t ngroups,
        uint32_t* hits) {
    const __m512 gap = _mm512_set1_ps(bound.gap);
    const __m512 product = _mm512_set1_ps(bound.product);
    const __m512 step = _mm512_set1_ps(bound.step);
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        __mmask16 open[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++) {
            const size_t j = g * kColumn + 16 * i;
            const __m512i sum = _mm512_cvtepu16_epi32(
                    _mm256_loadu_si256((const __m256i*)(sums + j)));
            const __m512 left = _mm512_sub_ps(
                    product, _mm512_mul_ps(step, _mm512_cvtepi32_ps(sum)));
            const __m512 term =
                    _mm512_mul_ps(_mm512_loadu_ps(scales + j), left);
            const __m512 least = biases
                    ? _mm512_add_ps(gap, _mm512_loadu_ps(biases + j))
                    : gap;
            open[i] = _mm512_cmp_ps_mask(least, term, _CMP_NGE_UQ);
        }
        const uint32_t even = open[0] | uint32_t(open[1]) << 16;
        const uint32_t odd = open[2] | uint32_t(open[3]) << 16;
        if ((even | odd) != 0) {
            nhits += store_hits(g, even, odd, hits + nhits);
        }
    }
    return nhits;
}

size_t find_below_numbered(
        const uint16_t* sums,
        const uint16_t* limits,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        uint32_t* hits) {
    const ByteTable lower = load_byte_table(limits, false);
    const ByteTable upper = load_byte_table(limits, true);
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        const __m512i number = _mm512_loadu_si512(columns);
        __m512i limit[2];
        join_bytes(lower.look_up(number), upper.look_up(number), limit);
        const uint16_t* sum = sums + g * kColumn;
        const __mmask32 even =
                _mm512_cmplt_epu16_mask(_mm512_loadu_si512(sum), limit[0]);
        const __mmask32 odd = _mm512_cmplt_epu16_mask(
                _mm512_loadu_si512(sum + kColumn / 2), limit[1]);
        if (!_kortestz_mask32_u8(even, odd)) {
            nhits += store_hits(g, even, odd, hits + nhits);
        }
        columns += stride;
    }
    return nhits;
}

} // namespace

} // namespace faiss_bebr
