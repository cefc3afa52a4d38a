#include "kernels/levels.h"

#ifdef __x86_64__

#include "kernels/avx512_levels.h"

#include <immintrin.h>

namespace faiss_bebr {

namespace {

inline __m512i popcount_u64x8(__m512i words) {
    return _mm512_popcnt_epi64(words);
}

inline __m512i dot4_i32x16(__m512i sums, __m512i levels, __m512i query) {
    return _mm512_dpbusd_epi32(sums, levels, query);
}

inline __m512i dot4_low_i32x16(__m512i sums, __m512i levels, __m512i query) {
    return dot4_i32x16(sums, levels, query);
}

} // namespace

} // namespace faiss_bebr

#include "kernels/avx512_code_dots.h"
#include "kernels/avx512_rows.h"

namespace faiss_bebr {

namespace {

/// in each 64 bits, bit j of byte 7 - i becomes bit i of byte j
inline __m512i transpose_bits(__m512i bytes) {
    return _mm512_gf2p8affine_epi64_epi8(
            _mm512_set1_epi64(0x8040201008040201), bytes, 0);
}

/** What transpose_bits() takes of a code.
 * @param rows    the code, NR registers
 * @param places  of its bytes, and which of them there are
 */
template <int NR>
inline __m512i take_bytes(const __m512i* rows, __m512i places, __mmask64 mask) {
    if (NR == 1) {
        return _mm512_maskz_permutexvar_epi8(mask, places, rows[0]);
    }
    // an instruction sees two registers, and the lowest seven bits of a place
    const __m512i* last = rows + NR - 1;
    if (NR == 2) {
        return _mm512_maskz_permutex2var_epi8(mask, rows[0], places, *last);
    }
    const __mmask64 is_upper = _mm512_movepi8_mask(places);
    const __m512i lower = _mm512_maskz_permutex2var_epi8(
            _kandn_mask64(is_upper, mask), rows[0], places, rows[NR > 1]);
    const __mmask64 upper_mask = _kand_mask64(is_upper, mask);
    if (NR == 3) {
        return _mm512_mask_permutexvar_epi8(lower, upper_mask, places, *last);
    }
    return _mm512_or_si512(
            lower,
            _mm512_maskz_permutex2var_epi8(
                    upper_mask, *(last - 1), places, *last));
}

/** N codes, at most 4.
 * @param NR  registers that a code takes, 1 to 4
 */
template <int N, int NR>
inline void transposed_dots_tile(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        int32_t* dots) {
    const int nbytes = static_cast<int>(planes.plane_offsets[planes.nplanes]);
    __m512i bytes[N][NR], sums[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        sums[k] = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
#pragma GCC unroll 4
        for (int r = 0; r < NR; r++) {
            bytes[k][r] = r + 1 < NR ? _mm512_loadu_si512(codes[k] + 64 * r)
                                     : load_u8x64(codes[k], 64 * r, nbytes);
        }
    }
    for (int i = 0; i < planes.dim; i += 64) {
        const __m512i places = _mm512_loadu_si512(planes.byte_places + i);
        const __mmask64 mask = _cvtu64_mask64(planes.byte_masks[i / 64]);
        const __m512i dims = load_u8x64(query, i, planes.dim);
#pragma GCC unroll 4
        for (int k = 0; k < N; k++) {
            sums[k] = dot4_i32x16(
                    sums[k],
                    transpose_bits(take_bytes<NR>(bytes[k], places, mask)),
                    dims);
        }
    }
    int32_t totals[4];
    sum_lanes_i32x16(sums, totals);
    std::memcpy(dots, totals, N * sizeof(int32_t));
}

template <int NR>
void transposed_dots(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    const size_t nbytes = planes.plane_offsets[planes.nplanes];
    size_t k = 0;
    for (; k + 4 <= n; k += 4) {
        prefetch_codes(codes, k, n, nbytes);
        transposed_dots_tile<4, NR>(planes, query, codes + k, dots + k);
    }
    for (; k < n; k++) {
        transposed_dots_tile<1, NR>(planes, query, codes + k, dots + k);
    }
}

void code_dots_gfni(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    if (!planes.byte_places) {
        return code_dots(planes, query, codes, n, dots);
    }
    switch ((planes.plane_offsets[planes.nplanes] + 63) / 64) {
        case 1:
            return transposed_dots<1>(planes, query, codes, n, dots);
        case 2:
            return transposed_dots<2>(planes, query, codes, n, dots);
        case 3:
            return transposed_dots<3>(planes, query, codes, n, dots);
        default:
            return transposed_dots<4>(planes, query, codes, n, dots);
    }
}

/// where byte i of each of four planes of `width` bytes is, from `first` on,
/// for transpose_bits()
struct PlaneBytes {
    alignas(64) uint8_t places[64] = {0};

    constexpr PlaneBytes(int width, int first) {
        for (int i = 0; i < 8; i++) {
            for (int t = 0; t < 4; t++) {
                places[8 * i + 4 + t] =
                        static_cast<uint8_t>(t * width + first + i);
            }
        }
    }
};

/** Levels of the first 8 * size dimensions of four planes, in any order that is
 * the same for all codes.
 * @param width  bytes of a plane; equal to size where that is below 64
 * @param rows   output, size / 8 registers
 */
template <int size>
inline void load_four_planes(const uint8_t* code, size_t width, __m512i* rows) {
    if (size < 64) {
        static constexpr PlaneBytes bytes[4] = {
                {size, 0}, {size, 8}, {size, 16}, {size, 24}};
        const __mmask64 mask = _cvtu64_mask64(0xf0f0f0f0f0f0f0f0);
        const __m512i first = size == 8
                ? _mm512_castsi256_si512(
                          _mm256_loadu_si256((const __m256i*)code))
                : _mm512_loadu_si512(code);
        const __m512i second =
                size == 32 ? _mm512_loadu_si512(code + 64) : first;
#pragma GCC unroll 4
        for (int r = 0; r < size / 8; r++) {
            const __m512i places = _mm512_load_si512(bytes[r].places);
            rows[r] = transpose_bits(
                    size == 32 ? _mm512_maskz_permutex2var_epi8(
                                         mask, first, places, second)
                               : _mm512_maskz_permutexvar_epi8(
                                         mask, places, first));
        }
        return;
    }
    __m512i planes[4];
    for (int t = 0; t < 4; t++) {
        planes[t] = _mm512_loadu_si512(code + t * width);
    }
    const __m512i low01 = _mm512_unpacklo_epi8(planes[0], planes[1]);
    const __m512i high01 = _mm512_unpackhi_epi8(planes[0], planes[1]);
    const __m512i low23 = _mm512_unpacklo_epi8(planes[2], planes[3]);
    const __m512i high23 = _mm512_unpackhi_epi8(planes[2], planes[3]);
    // two bytes of all planes in each 64 bits, so levels of two dimensions in
    // each byte then
    const __m512i bytes[4] = {
            _mm512_unpacklo_epi16(low01, low23),
            _mm512_unpackhi_epi16(low01, low23),
            _mm512_unpacklo_epi16(high01, high23),
            _mm512_unpackhi_epi16(high01, high23)};
    const __m512i nibble = _mm512_set1_epi8(0x0f);
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
        const __m512i pairs = transpose_bits(bytes[r]);
        rows[2 * r] = _mm512_and_si512(pairs, nibble);
        rows[2 * r + 1] = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), nibble);
    }
}

/// N codes, at most 4
template <bool is_l2, int size, int N>
inline void compare_four_planes(
        size_t width,
        const __m512i* query,
        int32_t bias,
        bool is_first,
        const uint8_t* codes,
        int32_t* distances) {
    __m512i sums[4];
    for (int k = 0; k < 4; k++) {
        sums[k] = _mm512_setzero_si512();
    }
#pragma GCC unroll 4
    for (int k = 0; k < N; k++) {
        __m512i levels[size / 8];
        load_four_planes<size>(codes + k * 4 * width, width, levels);
#pragma GCC unroll 8
        for (int r = 0; r < size / 8; r++) {
            sums[k] = add_level_sums<is_l2>(sums[k], levels[r], query[r]);
        }
    }
    store_level_distances<is_l2, N>(sums, bias, is_first, distances);
}

/// @param size  as in load_four_planes
template <bool is_l2, int size>
void compare_rows_of_four_planes(
        size_t width,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    constexpr int max_level = 15;
    for (size_t i = 0; i < width; i += size) {
        __m512i rows[size / 8];
        int32_t bias = 0;
        load_four_planes<size>(query + i, width, rows);
        for (int r = 0; !is_l2 && r < size / 8; r++) {
            rows[r] = _mm512_sub_epi8(
                    _mm512_set1_epi8(max_level),
                    _mm512_add_epi8(rows[r], rows[r]));
            bias += max_level *
                    _mm512_reduce_add_epi32(_mm512_dpbusd_epi32(
                            _mm512_setzero_si512(),
                            _mm512_set1_epi8(1),
                            rows[r]));
        }
        size_t k = 0;
        for (; k + 4 <= n; k += 4) {
            if (i == 0) {
                prefetch_rows(codes + k * 4 * width, 16 * width);
            }
            compare_four_planes<is_l2, size, 4>(
                    width,
                    rows,
                    bias,
                    i == 0,
                    codes + k * 4 * width + i,
                    distances + k);
        }
        for (; k < n; k++) {
            compare_four_planes<is_l2, size, 1>(
                    width,
                    rows,
                    bias,
                    i == 0,
                    codes + k * 4 * width + i,
                    distances + k);
        }
    }
}

template <bool is_l2>
void compare_rows_gfni(
        const PlanesView& planes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const size_t width = planes.plane_offsets[1];
    switch (planes.nplanes == 4 ? width : 0) {
        case 8:
            return compare_rows_of_four_planes<is_l2, 8>(
                    width, query, codes, n, distances);
        case 16:
            return compare_rows_of_four_planes<is_l2, 16>(
                    width, query, codes, n, distances);
        case 32:
            return compare_rows_of_four_planes<is_l2, 32>(
                    width, query, codes, n, distances);
        default:
            return planes.nplanes == 4 && width % 64 == 0
                    ? compare_rows_of_four_planes<is_l2, 64>(
                              width, query, codes, n, distances)
                    : compare_rows<is_l2>(planes, query, codes, n, distances);
    }
}

} // namespace

decltype(SDCKernels::code_dots) get_avx512_gfni_code_dots() {
    return code_dots_gfni;
}

decltype(SDCKernels::row_l2sqr) get_avx512_gfni_row_l2sqr() {
    return compare_rows_gfni<true>;
}

decltype(SDCKernels::row_product) get_avx512_gfni_row_product() {
    return compare_rows_gfni<false>;
}

} // namespace faiss_bebr

#endif // __x86_64__
