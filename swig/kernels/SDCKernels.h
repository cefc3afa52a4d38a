#pragma once

#include <cstddef>
#include <cstdint>

// Included by files that are compiled for other instruction sets than the
// rest, so nothing here may bring in code that is compiled into them.

namespace faiss_bebr {

/// The part of PlaneLayout that kernels read.
struct PlanesView {
    int dim;
    int nplanes;
    const int* plane_widths;
    const size_t* plane_offsets;
    const uint8_t* level_base;
    const uint8_t* byte_places; ///< nullptr: there are none
    const uint64_t* byte_masks;
};

/// documents that lie side by side in a group of levels or words
constexpr size_t kGroup = 16;

/// planes whose levels and their differences are signed bytes
constexpr int kMaxRowPlanes = 7;

/** What turns the integers of a scan into results. The key of document j is
 *
 *     float: (bias + doc_bias[j])
 *                + doc_scale[j] * (scale * (2 * dot[j] - shift))
 *     int32: bias + doc_bias[j] + scale * dot[j]
 *
 * and a smaller key is a better result for either metric. The order of the
 * float operations is part of the definition: no kernel fuses them.
 */
struct FloatKey {
    const float* doc_scale;
    const float* doc_bias; ///< nullptr: zeros
    float scale;
    float bias;
    int32_t shift;
};

struct IntKey {
    const int32_t* doc_bias; ///< nullptr: zeros
    int32_t scale;
    int32_t bias;
};

/// SDCKernels::products
using ProductFunction =
        void(size_t n,
             size_t d_in,
             size_t d_out,
             const float* x,
             const float* weight,
             const float* start,
             size_t start_stride,
             float* y);

/** The inner loops of one instruction set. All sets give the same bits; the
 * plain one says what they are.
 *
 * Levels of 16 documents lie side by side, four dimensions at a time: a group
 * has dim / 4 rows of 64 bytes, row j holding the dimensions 4j .. 4j + 3 of
 * document 0, then those of document 1, and so on.
 *
 * Binary words of 16 documents likewise: ceil(dim / 64) rows of 16 words of
 * 64 bits, the last word padded with zeros.
 */
struct SDCKernels {
    const char* name;

    /** Levels of up to 16 codes as a group.
     * @param codes   n pointers to codes
     * @param n       1..16; the places of missing documents become 0
     * @param levels  output, 16 * dim bytes
     */
    void (*unpack_group)(
            const PlanesView& planes,
            const uint8_t* const* codes,
            size_t n,
            uint8_t* levels);

    /** Inner products of signed queries and unsigned levels, in int32.
     * @param nq       number of queries, rows of dim bytes
     * @param ngroups  groups of levels, one after the other
     * @param dots     output, nq rows of ngroups * 16
     */
    void (*dots)(
            int dim,
            const int8_t* queries,
            size_t nq,
            const uint8_t* levels,
            size_t ngroups,
            int32_t* dots);

    /** Sums of levels and of their squares in int32, of each document.
     * @param ngroups  groups of levels, one after the other
     * @param sums     output, ngroups * 16
     * @param squares  output, ngroups * 16
     */
    void (*level_sums)(
            int dim,
            const uint8_t* levels,
            size_t ngroups,
            int32_t* sums,
            int32_t* squares);

    /** The same products of one query, straight from packed codes: for few
     * documents, which are not worth a group.
     * @param query  dim bytes
     * @param codes  n pointers to codes
     * @param dots   output, size n
     */
    void (*code_dots)(
            const PlanesView& planes,
            const int8_t* query,
            const uint8_t* const* codes,
            size_t n,
            int32_t* dots);

    /** Distances of a query and documents whose codes lie one after the other,
     * in int32, with c and V as in PlaneLayout:
     *
     *     row_l2sqr    sum (c_q - c_d)^2, for one plane the Hamming distance
     *     row_product  sum V_q * V_d
     *
     * @param planes     1 to kMaxRowPlanes, of equal widths
     * @param query      a packed code
     * @param codes      n packed codes
     * @param distances  output, size n
     */
    void (*row_l2sqr)(
            const PlanesView& planes,
            const uint8_t* query,
            const uint8_t* codes,
            size_t n,
            int32_t* distances);

    void (*row_product)(
            const PlanesView& planes,
            const uint8_t* query,
            const uint8_t* codes,
            size_t n,
            int32_t* distances);

    /** Float sums over the dimensions i of codes with values V_i (PlaneLayout):
     *
     *     code_norm     weight[i] * (V_i * V_i)
     *     code_product  (weight[i] * (scale_a * A_i) + offset[i]) * B_i
     *     code_l2sqr    weight[i] * (x * x), x = scale_a * A_i - scale_b * B_i
     *
     * Dimension i goes to partial sum i mod 64, in ascending order; the partial
     * sums are added in halves, j and j + 32, then j and j + 16, and so on.
     * @param weight  size dim
     * @param offset  size dim
     */
    float (*code_norm)(
            const PlanesView& planes,
            const float* weight,
            const uint8_t* code);

    float (*code_product)(
            const PlanesView& planes,
            const float* weight,
            const float* offset,
            float scale_a,
            const uint8_t* code_a,
            const uint8_t* code_b);

    float (*code_l2sqr)(
            const PlanesView& planes,
            const float* weight,
            float scale_a,
            const uint8_t* code_a,
            float scale_b,
            const uint8_t* code_b);

    /** Products of rows and a matrix, of i < n and o < d_out:
     *
     *     y[i, o] = start[i * start_stride + o] + sum x[i, k] * weight[o, k]
     *
     * Both rows are padded with zeros to a multiple of 16. Product k goes to
     * lane k mod 16 in ascending order, by a fused multiply-add, or rounded
     * before it is added. Lanes are added in halves, j and j + 8, then j and
     * j + 4, and so on. So a row has the same bits among any others, and of
     * rounded products those of codes/lane_sums.h.
     * @param x       n rows of d_in, at least 1
     * @param weight  d_out rows of d_in
     * @param start   d_out floats for all rows, start_stride being 0, or for
     *                each row; may be y
     * @param y       output, n rows of d_out
     */
    ProductFunction* products;
    ProductFunction* rounded_products;

    /** The sum of a[k] * b[k] for k < n in double, then rounded to float;
     * lanes as of products.
     */
    float (*double_product)(size_t n, const float* a, const float* b);

    /** Hamming distances in int32.
     * @param nwords   64-bit words of a code
     * @param queries  nq rows of nwords
     * @param dots     output, nq rows of ngroups * 16
     */
    void (*hamming)(
            size_t nwords,
            const uint64_t* queries,
            size_t nq,
            const uint64_t* words,
            size_t ngroups,
            int32_t* dots);

    /** Documents whose key is below a threshold, in ascending order.
     * @param n       a multiple of 16
     * @param hits    output, their numbers, room for n
     * @param keys    output, their keys, room for n
     * @return        how many
     */
    size_t (*collect_float)(
            const FloatKey& key,
            const int32_t* dots,
            size_t n,
            float threshold,
            uint32_t* hits,
            float* keys);

    size_t (*collect_int)(
            const IntKey& key,
            const int32_t* dots,
            size_t n,
            int32_t threshold,
            uint32_t* hits,
            int32_t* keys);

    /// whether one instruction of dots() adds up four products of bytes
    bool has_byte_products = false;
};

/** The kernels for the instruction set that FAISS uses at the moment
 * (faiss::SIMDConfig), with the extensions of it that the processor has: VNNI,
 * VPOPCNTDQ and AVX-VNNI, or the dot products of ARM.
 * At a level of FAISS that somebody set below the detected one, only what
 * that level promises is used.
 */
const SDCKernels& get_kernels();

/// the level of get_kernels(): "NONE", "AVX2", "AVX2_VNNI", "AVX512",
/// "AVX512_VNNI", "ARM_NEON", "ARM_NEON_DOTPROD" or "ARM_NEON_I8MM"
const char* get_simd_level_name();

} // namespace faiss_bebr
