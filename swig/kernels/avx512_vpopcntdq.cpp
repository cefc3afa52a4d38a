#include "kernels/levels.h"

#ifdef __x86_64__

#include <immintrin.h>

namespace faiss_bebr {

namespace {

inline __m512i popcount_u64x8(__m512i words) {
    return _mm512_popcnt_epi64(words);
}

} // namespace

} // namespace faiss_bebr

#include "kernels/avx512_hamming.h"

namespace faiss_bebr {

decltype(SDCKernels::hamming) get_avx512_vpopcntdq_hamming() {
    return hamming;
}

} // namespace faiss_bebr

#endif // __x86_64__
