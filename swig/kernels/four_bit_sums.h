// Sums of tables of four bits, included by files that are compiled for other
// instruction sets than the rest, after what they have of
//
//     kRegister    documents of a register
//     load_bytes   of a row, of so many documents
//     TripleIndex  what three rows say of the tables of a triple
//     PairSums     of so many documents

#pragma once

#include "kernels/TableKernels.h"

namespace faiss_bebr {

namespace {

/// NQ queries with all groups
template <int NQ>
inline void sum_groups(
        size_t nbytes,
        const uint8_t* tables,
        const uint8_t* rows,
        size_t ngroups,
        uint16_t* sums) {
    const size_t table_size = get_table_size(4, nbytes);
    const size_t triple_size = get_triple_size(4);
    const size_t ntriples = get_num_triples(nbytes);
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t first = 0; first < kColumn; first += kRegister) {
            const uint8_t* row = rows + g * 3 * ntriples * kColumn + first;
            PairSums pairs[NQ];
            for (size_t t = 0; t < ntriples; t++) {
                const TripleIndex index(
                        load_bytes(row),
                        load_bytes(row + kColumn),
                        load_bytes(row + 2 * kColumn));
#pragma GCC unroll 4
                for (int q = 0; q < NQ; q++) {
                    pairs[q].add(index.look_up(
                            tables + q * table_size + t * triple_size));
                }
                row += 3 * kColumn;
            }
#pragma GCC unroll 4
            for (int q = 0; q < NQ; q++) {
                pairs[q].store(sums + (q * ngroups + g) * kColumn + first / 2);
            }
        }
    }
}

/// see TableKernels; measured with AVX2, three queries at a time are best,
/// though registers do not hold all of their sums
void sum_tables(
        size_t nbytes,
        const uint8_t* tables,
        size_t nq,
        const uint8_t* rows,
        size_t ngroups,
        uint16_t* sums) {
    const size_t table_size = get_table_size(4, nbytes);
    const size_t nsums = ngroups * kColumn;
    size_t q = 0;
    for (; q + 3 <= nq; q += 3) {
        sum_groups<3>(
                nbytes,
                tables + q * table_size,
                rows,
                ngroups,
                sums + q * nsums);
    }
    for (; q < nq; q++) {
        sum_groups<1>(
                nbytes,
                tables + q * table_size,
                rows,
                ngroups,
                sums + q * nsums);
    }
}

} // namespace

} // namespace faiss_bebr
