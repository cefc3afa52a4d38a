#include "kernels/levels.h"

#ifdef __x86_64__

#include "kernels/avx2_columns.h"

// which needs these
#include "kernels/four_bit_sums.h"

#include <cstring>
#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// 16 rows of bytes become columns in each 128-bit lane
inline void transpose_lanes_u8x16(__m256i rows[16]) {
    __m256i t[16];
    for (int round = 0; round < 2; round++) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            t[2 * i] = _mm256_unpacklo_epi8(rows[i], rows[i + 8]);
            t[2 * i + 1] = _mm256_unpackhi_epi8(rows[i], rows[i + 8]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            rows[2 * i] = _mm256_unpacklo_epi8(t[i], t[i + 8]);
            rows[2 * i + 1] = _mm256_unpackhi_epi8(t[i], t[i + 8]);
        }
    }
}

/// at most 16 bytes, zeros for the others
inline __m128i load_sixteen(const uint8_t* bytes, size_t n) {
    if (n >= 16) {
        return _mm_loadu_si128((const __m128i*)bytes);
    }
    alignas(16) uint8_t padded[16] = {0};
    std::memcpy(padded, bytes, n);
    return _mm_load_si128((const __m128i*)padded);
}

/// @param codes  of 64 documents
void store_byte_rows(
        size_t nbytes,
        const uint8_t* const* codes,
        uint8_t* rows) {
    for (size_t i = 0; i < nbytes; i += 16) {
        const size_t n = nbytes - i < 16 ? nbytes - i : 16;
        for (size_t h = 0; h < 2; h++) {
            const uint8_t* const* half = codes + h * kRegister;
            __m256i bytes[16];
#pragma GCC unroll 16
            for (int k = 0; k < 16; k++) {
                bytes[k] = _mm256_set_m128i(
                        load_sixteen(half[16 + k] + i, n),
                        load_sixteen(half[k] + i, n));
            }
            transpose_lanes_u8x16(bytes);
            for (size_t k = 0; k < n; k++) {
                _mm256_storeu_si256(
                        (__m256i*)(rows + (i + k) * kColumn + h * kRegister),
                        bytes[k]);
            }
        }
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
    store_byte_rows(nbytes, codes, rows);
    const size_t nrows = get_num_code_rows(4, nbytes);
    std::memset(rows + nbytes * kColumn, 0, (nrows - nbytes) * kColumn);
    for (size_t r = 0; n < kColumn && r < nbytes; r++) {
        std::memset(rows + r * kColumn + n, 0, kColumn - n);
    }
}

void make_tables(
        size_t nbytes,
        const int16_t* weights,
        float factor,
        uint8_t* tables) {
    // entries j of a table for which bit i of j is set
    const __m256i is_set[4] = {
            _mm256_set1_epi32(static_cast<int>(0xffff0000)),
            _mm256_set1_epi64x(static_cast<int64_t>(0xffffffff00000000)),
            _mm256_setr_epi64x(0, -1, 0, -1),
            _mm256_setr_epi64x(0, 0, -1, -1)};
    const __m256 scale = _mm256_set1_ps(factor);
    for (size_t byte = 0; byte < 3 * get_num_triples(nbytes); byte++) {
        const int16_t* own = weights + byte / 3 * kTripleWeights + byte % 3 * 8;
        const __m128i w = _mm_loadu_si128((const __m128i*)own);
        const __m256 magnitude =
                _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_abs_epi16(w)));
        const __m256i scaled =
                _mm256_cvttps_epi32(_mm256_mul_ps(magnitude, scale));
        alignas(16) uint16_t steps[8], flips[8];
        _mm_store_si128(
                (__m128i*)steps,
                _mm_packus_epi32(
                        _mm256_castsi256_si128(scaled),
                        _mm256_extracti128_si256(scaled, 1)));
        // of a positive weight, entries without the bit
        _mm_store_si128(
                (__m128i*)flips, _mm_cmpgt_epi16(w, _mm_setzero_si128()));
        for (int half = 0; half < 2; half++) {
            __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                const int k = 4 * half + i;
                const __m256i mask = _mm256_xor_si256(
                        is_set[i],
                        _mm256_set1_epi16(static_cast<short>(flips[k])));
                const __m256i step =
                        _mm256_set1_epi16(static_cast<short>(steps[k]));
                sum = _mm256_adds_epu16(sum, _mm256_and_si256(mask, step));
            }
            sum = _mm256_srli_epi16(sum, 8);
            _mm_storeu_si128(
                    (__m128i*)tables,
                    _mm_packus_epi16(
                            _mm256_castsi256_si128(sum),
                            _mm256_extracti128_si256(sum, 1)));
            tables += 16;
        }
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
        const __m256i limit = _mm256_set1_epi16(static_cast<short>(most));
        uint32_t masks[2]; // of the even documents, and of the odd ones
        for (size_t i = 0; i < 2; i++) {
            __m256i below[2];
            for (size_t h = 0; h < 2; h++) {
                const __m256i x = _mm256_loadu_si256(
                        (const __m256i*)(sums + g * kColumn + i * kRegister +
                                         h * kRegister / 2));
                below[h] = _mm256_cmpeq_epi16(_mm256_min_epu16(x, limit), x);
            }
            const __m256i packed = _mm256_permute4x64_epi64(
                    _mm256_packs_epi16(below[0], below[1]), 0xd8);
            masks[i] = static_cast<uint32_t>(_mm256_movemask_epi8(packed));
        }
        if ((masks[0] | masks[1]) != 0) {
            nhits += store_hits(g, masks[0], masks[1], hits + nhits);
        }
    }
    return nhits;
}

} // namespace

const TableKernels avx2_table_kernels = {
        4,
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
