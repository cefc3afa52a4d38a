#include "kernels/levels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace faiss_bebr {

namespace {

/// tables of a triple
template <int index_bits>
constexpr size_t kTripleTables = index_bits == 6 ? 4 : 6;

template <int index_bits>
void transpose(
        size_t nbytes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* rows) {
    std::memset(rows, 0, get_num_code_rows(index_bits, nbytes) * kColumn);
    for (size_t k = 0; k < n; k++) {
        for (size_t byte = 0; byte < nbytes; byte++) {
            const uint8_t x = codes[k][byte];
            const size_t row =
                    get_triple_rows(index_bits) * (byte / 3) + byte % 3;
            rows[row * kColumn + k] = index_bits == 6 ? x & 63 : x;
            if (index_bits == 6) {
                rows[(row - byte % 3 + 3) * kColumn + k] |= x >> 6
                                << 2 * (byte % 3);
            }
        }
    }
}

template <int index_bits>
void make_tables(
        size_t nbytes,
        const int16_t* weights,
        float factor,
        uint8_t* tables) {
    constexpr size_t step = kTripleWeights / (index_bits == 6 ? 4 : 8);
    const size_t ntables = get_num_triples(nbytes) * kTripleTables<index_bits>;
    for (size_t r = 0; r < ntables; r++) {
        const int16_t* own = weights +
                r / kTripleTables<index_bits> * kTripleWeights +
                r % kTripleTables<index_bits> * step;
        for (int j = 0; j < 1 << index_bits; j++) {
            int sum = 0;
            for (int i = 0; i < index_bits; i++) {
                const bool is_set = (j >> i) & 1;
                if (is_set != (own[i] > 0)) {
                    const float magnitude = static_cast<float>(abs(own[i]));
                    sum += static_cast<int>(magnitude * factor);
                }
            }
            const int most = 0xffff;
            *tables++ = static_cast<uint8_t>(std::min(sum, most) >> 8);
        }
    }
}

/// what the tables of a triple have for its rows in the column of a document
template <int index_bits>
int look_up_rows(const uint8_t* tables, const uint8_t* column) {
    int sum = 0;
    if (index_bits == 6) {
        for (size_t i = 0; i < 4; i++) {
            sum += tables[i * 64 + (column[i * kColumn] & 63)];
        }
    } else {
        for (size_t i = 0; i < 3; i++) {
            const int x = column[i * kColumn];
            sum += tables[2 * i * 16 + (x & 15)];
            sum += tables[(2 * i + 1) * 16 + (x >> 4)];
        }
    }
    return std::min(sum, 255);
}

template <int index_bits>
void sum_tables(
        size_t nbytes,
        const uint8_t* tables,
        size_t nq,
        const uint8_t* rows,
        size_t ngroups,
        uint16_t* sums) {
    const size_t triple_rows = get_triple_rows(index_bits) * kColumn;
    for (size_t q = 0; q < nq; q++) {
        const uint8_t* group = rows;
        for (size_t g = 0; g < ngroups; g++) {
            for (size_t j = 0; j < kColumn; j++) {
                int sum = 0;
                for (size_t t = 0; t < get_num_triples(nbytes); t++) {
                    sum += look_up_rows<index_bits>(
                            tables + t * get_triple_size(index_bits),
                            group + t * triple_rows + j);
                }
                sums[get_place_of_sum(j)] = static_cast<uint16_t>(sum);
            }
            group += get_num_code_rows(index_bits, nbytes) * kColumn;
            sums += kColumn;
        }
        tables += get_table_size(index_bits, nbytes);
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

template <int index_bits>
void sum_columns(
        size_t nbytes,
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        uint16_t* sums) {
    std::vector<uint8_t> rows(get_num_code_rows(index_bits, nbytes) * kColumn);
    std::vector<uint8_t> codes(kColumn * nbytes);
    const uint8_t* pointers[kColumn];
    for (size_t j = 0; j < kColumn; j++) {
        pointers[j] = codes.data() + j * nbytes;
    }
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t i = 0; i < codes.size(); i++) {
            codes[i] = columns[i % nbytes * kColumn + i / nbytes];
        }
        transpose<index_bits>(nbytes, pointers, kColumn, rows.data());
        sum_tables<index_bits>(nbytes, table, 1, rows.data(), 1, sums);
        columns += stride;
        sums += kColumn;
    }
}

/// of a finite number or infinity; all else is NaN
float read_float16(uint16_t half) {
    const int exponent = (half >> 10) & 31, fraction = half & 0x3ff;
    if (exponent == 31) {
        return fraction == 0 ? INFINITY : NAN;
    }
    return exponent == 0
            ? std::ldexp(static_cast<float>(fraction), -24)
            : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
}

void decode_float16(
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        float* values) {
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t j = 0; j < kColumn; j++) {
            const int half = columns[j] | columns[kColumn + j] << 8;
            values[get_place_of_sum(j)] =
                    read_float16(static_cast<uint16_t>(half));
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
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t j = 0; j < kColumn; j++) {
            uint32_t bits = 0;
            for (size_t k = 0; k < 4; k++) {
                bits |= uint32_t(table[256 * k + columns[j]]) << 8 * k;
            }
            std::memcpy(&values[get_place_of_sum(j)], &bits, sizeof(bits));
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
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t j = 0; j < kColumn; j++) {
            size_t number = columns[j];
            if (ncentroids > 256) {
                number |= size_t(columns[kColumn + j]) << 8;
            }
            const size_t k = g * kColumn + get_place_of_sum(j);
            const float scale = scales ? scales[k] : 1.0f;
            const float bias =
                    norms[g] + keys[std::min(number, ncentroids - 1)] * scale;
            biases[k] = bias - kRoundingOfBounds * std::fabs(bias);
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
    size_t nhits = 0;
    for (size_t j = 0; j < ngroups * kColumn; j++) {
        const size_t k = j / kColumn * kColumn + get_place_of_sum(j % kColumn);
        const float sum = static_cast<float>(sums[k]);
        const float least = biases ? bound.gap + biases[k] : bound.gap;
        const float left = bound.product - bound.step * sum;
        if (!(least >= scales[k] * left)) {
            hits[nhits++] = static_cast<uint32_t>(j);
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
        for (size_t j = 0; j < kColumn; j++) {
            const uint16_t sum = sums[g * kColumn + get_place_of_sum(j)];
            if (sum < limits[columns[j]]) {
                hits[nhits++] = static_cast<uint32_t>(g * kColumn + j);
            }
        }
        columns += stride;
    }
    return nhits;
}

} // namespace

const TableKernels plain_table_kernels = {
        6,
        transpose<6>,
        make_tables<6>,
        sum_tables<6>,
        find_below,
        sum_columns<6>,
        decode_float16,
        look_up_floats,
        add_centroid_keys,
        find_open,
        find_below_numbered};

const TableKernels plain_table_kernels_of_4_bits = {
        4,
        transpose<4>,
        make_tables<4>,
        sum_tables<4>,
        find_below,
        sum_columns<4>,
        decode_float16,
        look_up_floats,
        add_centroid_keys,
        find_open,
        find_below_numbered};

} // namespace faiss_bebr
