#include "kernels/levels.h"

#include <cstdlib>
#include <cstring>

namespace faiss_bebr {

namespace {

void transpose(
        size_t nbytes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* rows) {
    std::memset(rows, 0, get_num_table_rows(nbytes) * kColumn);
    for (size_t k = 0; k < n; k++) {
        for (size_t byte = 0; byte < nbytes; byte++) {
            for (size_t bit = 0; bit < 8; bit++) {
                const size_t place = get_table_bit(byte, bit);
                const int value = (codes[k][byte] >> bit) & 1;
                rows[place / 8 * kColumn + k] |= value << (place % 8);
            }
        }
    }
}

void make_tables(
        size_t nrows,
        const int16_t* weights,
        float factor,
        uint8_t* tables) {
    for (size_t r = 0; r < nrows; r++) {
        for (int j = 0; j < 64; j++) {
            int sum = 0;
            for (int i = 0; i < 6; i++) {
                const int weight = weights[8 * r + i];
                const bool is_set = (j >> i) & 1;
                if (is_set != (weight > 0)) {
                    const float magnitude = static_cast<float>(abs(weight));
                    sum += static_cast<int>(magnitude * factor);
                }
            }
            tables[r * kColumn + j] = static_cast<uint8_t>(sum >> 8);
        }
    }
}

void sum_tables(
        size_t nrows,
        const uint8_t* tables,
        size_t nq,
        const uint8_t* rows,
        size_t ngroups,
        uint16_t* sums) {
    for (size_t q = 0; q < nq; q++) {
        const uint8_t* table = tables + q * nrows * kColumn;
        for (size_t g = 0; g < ngroups; g++) {
            const uint8_t* group = rows + g * nrows * kColumn;
            for (size_t j = 0; j < kColumn; j++) {
                int sum = 0;
                for (size_t r = 0; r < nrows; r++) {
                    sum += table[r * kColumn + (group[r * kColumn + j] & 63)];
                }
                sums[get_place_of_sum(j)] = static_cast<uint16_t>(sum);
            }
            sums += kColumn;
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
        for (size_t j = 0; j < kColumn; j++) {
            if (sums[g * kColumn + get_place_of_sum(j)] < limits[g]) {
                hits[nhits++] = static_cast<uint32_t>(g * kColumn + j);
            }
        }
    }
    return nhits;
}

} // namespace

const TableKernels plain_table_kernels = {
        transpose,
        make_tables,
        sum_tables,
        find_below};

} // namespace faiss_bebr
