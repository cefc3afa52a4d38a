// Hamming distances over groups of words.

#pragma once

#include "kernels/SDCKernels.h"

#include <arm_neon.h>

namespace faiss_bebr {

namespace {

/// NQ queries against one group
template <int NQ>
inline void hamming_tile(
        size_t nwords,
        const uint64_t* queries,
        const uint64_t* group,
        size_t ngroups,
        int32_t* dots) {
    // counts of bytes hold 31 words of 8 bits each
    constexpr size_t max_words = 31;
    uint64x2_t sums[NQ][8];
    for (int q = 0; q < NQ; q++) {
        for (uint64x2_t& sum : sums[q]) {
            sum = vdupq_n_u64(0);
        }
    }
    for (size_t begin = 0; begin < nwords; begin += max_words) {
        const size_t end =
                begin + max_words < nwords ? begin + max_words : nwords;
        uint8x16_t counts[NQ][8];
#pragma GCC unroll 2
        for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++) {
                counts[q][r] = vdupq_n_u8(0);
            }
        }
        for (size_t w = begin; w < end; w++) {
            uint64x2_t words[NQ];
#pragma GCC unroll 2
            for (int q = 0; q < NQ; q++) {
                words[q] = vdupq_n_u64(queries[q * nwords + w]);
            }
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++) {
                const uint64x2_t docs = vld1q_u64(group + w * kGroup + 2 * r);
#pragma GCC unroll 2
                for (int q = 0; q < NQ; q++) {
                    const uint8x16_t bits =
                            vreinterpretq_u8_u64(veorq_u64(docs, words[q]));
                    counts[q][r] = vaddq_u8(counts[q][r], vcntq_u8(bits));
                }
            }
        }
#pragma GCC unroll 2
        for (int q = 0; q < NQ; q++) {
#pragma GCC unroll 8
            for (int r = 0; r < 8; r++) {
                sums[q][r] = vpadalq_u32(
                        sums[q][r], vpaddlq_u16(vpaddlq_u8(counts[q][r])));
            }
        }
    }
    for (int q = 0; q < NQ; q++) {
        for (int r = 0; r < 8; r += 2) {
            const uint32x4_t sum = vcombine_u32(
                    vmovn_u64(sums[q][r]), vmovn_u64(sums[q][r + 1]));
            vst1q_s32(
                    dots + q * ngroups * kGroup + 2 * r,
                    vreinterpretq_s32_u32(sum));
        }
    }
}

template <int NQ>
void hamming_rows(
        size_t nwords,
        const uint64_t* queries,
        const uint64_t* words,
        size_t ngroups,
        int32_t* dots) {
    for (size_t g = 0; g < ngroups; g++) {
        hamming_tile<NQ>(
                nwords,
                queries,
                words + g * kGroup * nwords,
                ngroups,
                dots + g * kGroup);
    }
}

void hamming(
        size_t nwords,
        const uint64_t* queries,
        size_t nq,
        const uint64_t* words,
        size_t ngroups,
        int32_t* dots) {
    size_t q = 0;
    for (; q + 2 <= nq; q += 2) {
        hamming_rows<2>(
                nwords,
                queries + q * nwords,
                words,
                ngroups,
                dots + q * ngroups * kGroup);
    }
    for (; q < nq; q++) {
        hamming_rows<1>(
                nwords,
                queries + q * nwords,
                words,
                ngroups,
                dots + q * ngroups * kGroup);
    }
}

} // namespace

} // namespace faiss_bebr
