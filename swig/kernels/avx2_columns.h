// Codes that lie side by side, with 256-bit registers, included by the file
// that is compiled for them.

#pragma once

#include "kernels/table_hits.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// documents of a register, half of a group
constexpr size_t kRegister = kColumn / 2;

inline __m256i load_bytes(const uint8_t* bytes) {
    return _mm256_loadu_si256((const __m256i*)bytes);
}

/// Sums of 16 bits of two documents: the odd one's, and with it in the upper
/// half that of the even one.
struct PairSums {
    __m256i odd = _mm256_setzero_si256();
    __m256i both = _mm256_setzero_si256();

    /// @param sum  of the entries of a triple, of each document
    void add(__m256i sum) {
        both = _mm256_add_epi16(both, sum);
        odd = _mm256_add_epi16(odd, _mm256_srli_epi16(sum, 8));
    }
    /// @param sums  of the group, and the first half's or 16 more
    void store(uint16_t* sums) const {
        const __m256i even = _mm256_sub_epi16(both, _mm256_slli_epi16(odd, 8));
        _mm256_storeu_si256((__m256i*)sums, even);
        _mm256_storeu_si256((__m256i*)(sums + kRegister), odd);
    }
};

/// The upper and lower four bits of three rows.
struct TripleIndex {
    __m256i low[3], high[3];

    TripleIndex(__m256i a, __m256i b, __m256i c) {
        const __m256i bits = _mm256_set1_epi8(0x0f);
        const __m256i rows[3] = {a, b, c};
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) {
            low[i] = _mm256_and_si256(rows[i], bits);
            high[i] = _mm256_and_si256(_mm256_srli_epi16(rows[i], 4), bits);
        }
    }

    /// what the tables of the triple have, at most 255
    __m256i look_up(const uint8_t* tables) const {
        __m256i sums[3];
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) {
            sums[i] = _mm256_adds_epu8(
                    look_up(tables + 32 * i, low[i]),
                    look_up(tables + 32 * i + 16, high[i]));
        }
        return _mm256_adds_epu8(_mm256_adds_epu8(sums[0], sums[1]), sums[2]);
    }

   private:
    static __m256i look_up(const uint8_t* table, __m256i index) {
        const __m128i entries = _mm_loadu_si128((const __m128i*)table);
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), index);
    }
};

void sum_columns(
        size_t nbytes,
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        uint16_t* sums) {
    const size_t triple_size = get_triple_size(4);
    for (size_t g = 0; g < ngroups; g++) {
        // the processor fetches ahead within a page, which a group about is, or
        // more
        const uint8_t* later = columns + stride;
        for (size_t i = 0; i < nbytes * kColumn; i += kColumn) {
            _mm_prefetch((const char*)(later + i), _MM_HINT_T0);
        }
        PairSums pairs[2];
        const uint8_t* tables = table;
        size_t byte = 0;
        for (; byte + 3 <= nbytes; byte += 3) {
            const uint8_t* row = columns + byte * kColumn;
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; h++) {
                const TripleIndex index(
                        load_bytes(row + h * kRegister),
                        load_bytes(row + h * kRegister + kColumn),
                        load_bytes(row + h * kRegister + 2 * kColumn));
                pairs[h].add(index.look_up(tables));
            }
            tables += triple_size;
        }
        if (byte < nbytes) {
            const uint8_t* row = columns + byte * kColumn;
            const __m256i zero = _mm256_setzero_si256();
            for (size_t h = 0; h < 2; h++) {
                const TripleIndex index(
                        load_bytes(row + h * kRegister),
                        byte + 1 < nbytes
                                ? load_bytes(row + h * kRegister + kColumn)
                                : zero,
                        zero);
                pairs[h].add(index.look_up(tables));
            }
        }
        pairs[0].store(sums);
        pairs[1].store(sums + kRegister / 2);
        columns += stride;
        sums += kColumn;
    }
}

/** Numbers of 16 bits of the even and of the odd documents of half a group, of
 * their low and high bytes.
 */
inline void join_bytes(__m256i low, __m256i high, __m256i joined[2]) {
    const __m256i low_bytes = _mm256_set1_epi16(0x00ff);
    joined[0] = _mm256_or_si256(
            _mm256_and_si256(low, low_bytes), _mm256_slli_epi16(high, 8));
    joined[1] = _mm256_or_si256(
            _mm256_srli_epi16(low, 8), _mm256_andnot_si256(low_bytes, high));
}

/** The same of a group in the order of sums: four times 16 documents.
 * @param columns   of the low bytes, and 64 bytes behind of the high ones
 * @param has_high  whether there are such; else they are 0
 */
inline void load_numbers(
        const uint8_t* columns,
        bool has_high,
        __m256i numbers[4]) {
#pragma GCC unroll 2
    for (size_t h = 0; h < 2; h++) {
        const uint8_t* half = columns + h * kRegister;
        __m256i joined[2];
        join_bytes(
                load_bytes(half),
                has_high ? load_bytes(half + kColumn) : _mm256_setzero_si256(),
                joined);
        numbers[h] = joined[0];
        numbers[2 + h] = joined[1];
    }
}

/// half i of 16 numbers
inline __m128i get_eight(__m256i numbers, size_t i) {
    return i == 0 ? _mm256_castsi256_si128(numbers)
                  : _mm256_extracti128_si256(numbers, 1);
}

void decode_float16(
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        float* values) {
    const __m256i no_sign = _mm256_set1_epi16(0x7fff);
    for (size_t g = 0; g < ngroups; g++) {
        __m256i halves[4];
        load_numbers(columns, true, halves);
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) {
            const __m256i x = _mm256_and_si256(halves[i / 2], no_sign);
            _mm256_storeu_ps(
                    values + 8 * i, _mm256_cvtph_ps(get_eight(x, i % 2)));
        }
        columns += stride;
        values += kColumn;
    }
}

void look_up_floats(
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        float* values) {
    float floats[256];
    for (size_t i = 0; i < 256; i += 16) {
        __m128i bytes[4];
        for (size_t k = 0; k < 4; k++) {
            bytes[k] = _mm_loadu_si128((const __m128i*)(table + 256 * k + i));
        }
        const __m128i low[2] = {
                _mm_unpacklo_epi8(bytes[0], bytes[1]),
                _mm_unpackhi_epi8(bytes[0], bytes[1])};
        const __m128i high[2] = {
                _mm_unpacklo_epi8(bytes[2], bytes[3]),
                _mm_unpackhi_epi8(bytes[2], bytes[3])};
        for (size_t k = 0; k < 2; k++) {
            __m128i* out = (__m128i*)(floats + i + 8 * k);
            _mm_storeu_si128(out, _mm_unpacklo_epi16(low[k], high[k]));
            _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(low[k], high[k]));
        }
    }
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t j = 0; j < kRegister; j++) {
            values[j] = floats[columns[2 * j]];
            values[kRegister + j] = floats[columns[2 * j + 1]];
        }
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
    const __m256 rounding = _mm256_set1_ps(kRoundingOfBounds);
    const __m256 one = _mm256_set1_ps(1.0f);
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256i last = _mm256_set1_epi32(static_cast<int>(ncentroids - 1));
    for (size_t g = 0; g < ngroups; g++) {
        __m256i numbers[4];
        load_numbers(columns, ncentroids > 256, numbers);
        const __m256 norm = _mm256_set1_ps(norms[g]);
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) {
            const size_t j = g * kColumn + 8 * i;
            const __m256i number = _mm256_min_epi32(
                    _mm256_cvtepu16_epi32(get_eight(numbers[i / 2], i % 2)),
                    last);
            const __m256 key = _mm256_mul_ps(
                    _mm256_i32gather_ps(keys, number, sizeof(float)),
                    scales ? _mm256_loadu_ps(scales + j) : one);
            const __m256 bias = _mm256_add_ps(norm, key);
            const __m256 lost =
                    _mm256_mul_ps(rounding, _mm256_andnot_ps(sign, bias));
            _mm256_storeu_ps(biases + j, _mm256_sub_ps(bias, lost));
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
    const __m256 gap = _mm256_set1_ps(bound.gap);
    const __m256 product = _mm256_set1_ps(bound.product);
    const __m256 step = _mm256_set1_ps(bound.step);
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        uint64_t open = 0;
#pragma GCC unroll 8
        for (size_t i = 0; i < 8; i++) {
            const size_t j = g * kColumn + 8 * i;
            const __m256i sum = _mm256_cvtepu16_epi32(
                    _mm_loadu_si128((const __m128i*)(sums + j)));
            const __m256 left = _mm256_sub_ps(
                    product, _mm256_mul_ps(step, _mm256_cvtepi32_ps(sum)));
            const __m256 term =
                    _mm256_mul_ps(_mm256_loadu_ps(scales + j), left);
            const __m256 least = biases
                    ? _mm256_add_ps(gap, _mm256_loadu_ps(biases + j))
                    : gap;
            const int mask =
                    _mm256_movemask_ps(_mm256_cmp_ps(least, term, _CMP_NGE_UQ));
            open |= uint64_t(static_cast<uint32_t>(mask)) << 8 * i;
        }
        if (open != 0) {
            nhits += store_hits(
                    g,
                    static_cast<uint32_t>(open),
                    static_cast<uint32_t>(open >> 32),
                    hits + nhits);
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
    size_t nhits = 0;
    for (size_t g = 0; g < ngroups; g++) {
        uint16_t own[kColumn];
        for (size_t j = 0; j < kRegister; j++) {
            own[j] = limits[columns[2 * j]];
            own[kRegister + j] = limits[columns[2 * j + 1]];
        }
        uint32_t below[2];
#pragma GCC unroll 2
        for (size_t i = 0; i < 2; i++) {
            __m256i masks[2];
#pragma GCC unroll 2
            for (size_t h = 0; h < 2; h++) {
                const size_t j = i * kRegister + 16 * h;
                const __m256i sum = _mm256_loadu_si256(
                        (const __m256i*)(sums + g * kColumn + j));
                const __m256i limit =
                        _mm256_loadu_si256((const __m256i*)(own + j));
                // no less: the maximum is the sum
                masks[h] =
                        _mm256_cmpeq_epi16(_mm256_max_epu16(sum, limit), sum);
            }
            // in the order of 64-bit quarters: 0, 2, 1, 3
            const __m256i bytes = _mm256_permute4x64_epi64(
                    _mm256_packs_epi16(masks[0], masks[1]), 0xd8);
            below[i] = ~static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
        }
        if ((below[0] | below[1]) != 0) {
            nhits += store_hits(g, below[0], below[1], hits + nhits);
        }
        columns += stride;
    }
    return nhits;
}

} // namespace

} // namespace faiss_bebr
