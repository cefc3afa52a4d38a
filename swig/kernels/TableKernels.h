#pragma once

#include <cstddef>
#include <cstdint>

// Included by files that are compiled for other instruction sets than the
// rest, see SDCKernels.h.

namespace faiss_bebr {

/// documents that lie side by side where tables are looked up
constexpr size_t kColumn = 64;

/// of what float bounds are made of, more than their operations lose
constexpr float kRoundingOfBounds = 1e-6f;

/// bytes of a code that sums of 16 bits have room for
constexpr size_t kMaxTableBytes = 768;

/** For which documents their sum leaves the key open: those but where
 *
 *     gap + bias >= scale * (product - step * sum)
 *
 * with what the document adds to its keys, and its scale. The order of the
 * float operations is part of the definition: no kernel fuses them. NaN leaves
 * it open.
 */
struct SumBound {
    float gap;
    float product;
    float step;
};

/** Upper bounds of inner products by table look-up, for scans that few
 * documents survive; of weights that are whole steps, estimates.
 *
 * The product of a query with the levels of a code is a sum over its bits, each
 * with a weight. The largest possible product has all bits of positive weight
 * set and no others; a code loses the weight of each bit that is not so. Some
 * bits at a time, tables say what is lost, in steps and rounded down. What they
 * say of three bytes of a code, a triple, counts for 255 at most.
 *
 * The bytes of 64 codes lie side by side. Six bits at a time, what is looked up
 * are their lower six bits; the upper two bits of a triple make an index of
 * their own. So bytes 3t .. 3t + 2 are rows 4t .. 4t + 2, and row 4t + 3 has
 * their upper bits, the first one's lowest. Four bits at a time there are two
 * tables for each byte, that of the lower bits first, and byte b is row b.
 * Bytes past the end are 0.
 *
 * Columns are rows of bytes too: row b has byte b of 64 codes, and there may be
 * more rows than those of tables. Groups of columns are `stride` bytes apart.
 */
struct TableKernels {
    /// bits that are looked up at a time: 6 or 4
    int index_bits;

    /** Rows of up to 64 codes.
     * @param nbytes  of a code that are taken
     * @param codes   n pointers to codes
     * @param n       1..64; the places of missing documents become 0
     * @param rows    output, get_num_code_rows() * 64 bytes
     */
    void (*transpose)(
            size_t nbytes,
            const uint8_t* const* codes,
            size_t n,
            uint8_t* rows);

    /** Tables of a query. With w = floor(|weight| * factor) in float, entry j
     * of a table is the sum of w over those of its bits i that have the wrong
     * value in j, 0 for a positive weight and 1 for others, at most 65535,
     * divided by 256 and rounded down.
     * @param weights  get_num_table_weights(), see get_table_bit()
     * @param factor   positive; w are below 2^27
     * @param tables   output, get_table_size()
     */
    void (*make_tables)(
            size_t nbytes,
            const int16_t* weights,
            float factor,
            uint8_t* tables);

    /** Sums of table entries. Those of a group of 64 documents are of the even
     * ones first, then of the odd ones.
     * @param nbytes  at most kMaxTableBytes
     * @param tables  nq * get_table_size()
     * @param rows    ngroups * get_num_code_rows() * 64
     * @param sums    output, nq rows of ngroups * 64
     */
    void (*sum_tables)(
            size_t nbytes,
            const uint8_t* tables,
            size_t nq,
            const uint8_t* rows,
            size_t ngroups,
            uint16_t* sums);

    /** Documents whose sum is below the limit of their group, ascending.
     * @param sums    ngroups * 64, in the order of sum_tables
     * @param limits  size ngroups
     * @param hits    output, their numbers, room for ngroups * 64
     * @return        how many
     */
    size_t (*find_below)(
            const uint16_t* sums,
            const int32_t* limits,
            size_t ngroups,
            uint32_t* hits);

    /** Sums as sum_tables() has for one query, straight from columns.
     * @param table  of a query, 0 for missing bytes
     * @param sums   output, ngroups * 64
     */
    void (*sum_columns)(
            size_t nbytes,
            const uint8_t* table,
            const uint8_t* columns,
            size_t stride,
            size_t ngroups,
            uint16_t* sums);

    /** What float16 stand for, without their signs.
     * @param columns  of the lower bytes, and 64 bytes behind of the upper ones
     * @param values   output, ngroups * 64, in the order of sums
     */
    void (*decode_float16)(
            const uint8_t* columns,
            size_t stride,
            size_t ngroups,
            float* values);

    /** Floats with the numbers in a column.
     * @param table   of 256 floats: the lowest byte of each, and so on; 4 * 256
     * @param values  output, ngroups * 64, in the order of sums
     */
    void (*look_up_floats)(
            const uint8_t* table,
            const uint8_t* columns,
            size_t stride,
            size_t ngroups,
            float* values);

    /** What documents add to their keys, and a little less as it is rounded.
     * @param keys        of centroids
     * @param ncentroids  at most 65536
     * @param columns     of their numbers: of one byte up to 256 centroids,
     * else of the lower bytes, and 64 bytes behind of the upper ones; larger
     * numbers count as the last one
     * @param scales      of the centroids, in the order of sums; nullptr: ones
     * @param norms       of groups
     * @param biases      output, ngroups * 64, in the order of sums
     */
    void (*add_centroid_keys)(
            const float* keys,
            size_t ncentroids,
            const uint8_t* columns,
            size_t stride,
            const float* scales,
            const float* norms,
            size_t ngroups,
            float* biases);

    /** Documents whose keys are open, ascending.
     * @param sums    ngroups * 64
     * @param scales  in the order of sums, as are
     * @param biases  which may be nullptr: zeros
     * @param hits    output, their numbers, room for ngroups * 64
     * @return        how many
     */
    size_t (*find_open)(
            const SumBound& bound,
            const uint16_t* sums,
            const float* scales,
            const float* biases,
            size_t ngroups,
            uint32_t* hits);

    /** Documents whose sum is below the limit of their number, ascending.
     * @param sums     ngroups * 64
     * @param limits   of 256 numbers
     * @param columns  of the numbers
     * @param hits     output, their numbers, room for ngroups * 64
     * @return         how many
     */
    size_t (*find_below_numbered)(
            const uint16_t* sums,
            const uint16_t* limits,
            const uint8_t* columns,
            size_t stride,
            size_t ngroups,
            uint32_t* hits);
};

// Internal: no file may leave a function for another instruction set to others.

static inline size_t get_num_triples(size_t nbytes) {
    return (nbytes + 2) / 3;
}

/// the weights of a triple, of which make_tables() reads those of its bits
constexpr size_t kTripleWeights = 32;

static inline size_t get_num_table_weights(size_t nbytes) {
    return get_num_triples(nbytes) * kTripleWeights;
}

/// where the weight of a code's bit is among those of make_tables()
static inline size_t get_table_bit(int index_bits, size_t byte, size_t bit) {
    const size_t triple = byte / 3 * kTripleWeights, i = byte % 3;
    return index_bits == 4 ? triple + 8 * i + bit
            : bit < 6      ? triple + 8 * i + bit
                           : triple + 24 + 2 * i + (bit - 6);
}

/// rows of 64 codes for a triple
static inline size_t get_triple_rows(int index_bits) {
    return index_bits == 6 ? 4 : 3;
}

/// rows of 64 codes
static inline size_t get_num_code_rows(int index_bits, size_t nbytes) {
    return get_num_triples(nbytes) * get_triple_rows(index_bits);
}

/// bytes of the tables of a triple
static inline size_t get_triple_size(int index_bits) {
    return index_bits == 6 ? 4 * 64 : 6 * 16;
}

/// bytes of the tables of a query, and up to a multiple of 64
static inline size_t get_table_size(int index_bits, size_t nbytes) {
    const size_t size = get_num_triples(nbytes) * get_triple_size(index_bits);
    return (size + kColumn - 1) / kColumn * kColumn;
}

/// where the sum of document j of a group is
static inline size_t get_place_of_sum(size_t j) {
    return j % 2 * (kColumn / 2) + j / 2;
}

/// where the sum is of a document that was found among groups
static inline size_t get_place_of_hit(size_t hit) {
    return hit / kColumn * kColumn + get_place_of_sum(hit % kColumn);
}

/** The kernels where tables are faster than products: those of six bits on
 * processors with VBMI, under the same conditions as the extensions of
 * get_kernels(), else those of four bits with AVX2 or NEON; otherwise nullptr.
 */
const TableKernels* get_table_kernels();

/// get_table_kernels() or, where there are none, the plain ones
const TableKernels& get_any_table_kernels();

} // namespace faiss_bebr
