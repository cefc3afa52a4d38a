// Counting bits where there is no instruction for it.

#pragma once

#include <immintrin.h>

namespace faiss_bebr {

namespace {

/// bits set in each 64-bit lane, by a table of nibbles
inline __m512i popcount_u64x8(__m512i words) {
    const __m512i table = _mm512_broadcast_i32x4(
            _mm_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4));
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    const __m512i low =
            _mm512_shuffle_epi8(table, _mm512_and_si512(words, nibble));
    const __m512i high = _mm512_shuffle_epi8(
            table, _mm512_and_si512(_mm512_srli_epi16(words, 4), nibble));
    return _mm512_sad_epu8(_mm512_add_epi8(low, high), _mm512_setzero_si512());
}

} // namespace

} // namespace faiss_bebr
