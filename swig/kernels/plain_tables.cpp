#include "kernels/levels.h"

#include <algorithm>
#include <cmath>
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
            const int most = 0xffff;
            tables[r * kColumn + j] =
                    static_cast<uint8_t>(std::min(sum, most) >> 8);
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
                for (size_t r = 0; r < nrows; r += 4) {
                    int part = 0;
                    for (size_t i = r; i < r + 4; i++) {
                        part +=
                                table[i * kColumn +
                                      (group[i * kColumn + j] & 63)];
                    }
                    sum += std::min(part, 255);
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

void sum_columns(
        size_t nbytes,
        const uint8_t* table,
        const uint8_t* columns,
        size_t stride,
        size_t ngroups,
        uint16_t* sums) {
    for (size_t g = 0; g < ngroups; g++) {
        for (size_t j = 0; j < kColumn; j++) {
            int sum = 0;
            for (size_t byte = 0; byte < nbytes; byte += 3) {
                const uint8_t* entries = table + byte / 3 * 4 * kColumn;
                int part = 0, upper = 0;
                for (size_t i = 0; i < 3 && byte + i < nbytes; i++) {
                    const int x = columns[(byte + i) * kColumn + j];
                    part += entries[i * kColumn + (x & 63)];
                    upper |= x >> 6 << 2 * i;
                }
                part += entries[3 * kColumn + upper];
                sum += std::min(part, 255);
            }
            sums[get_place_of_sum(j)] = static_cast<uint16_t>(sum);
        }
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

} // namespace

const TableKernels plain_table_kernels = {
        transpose,
        make_tables,
        sum_tables,
        find_below,
        sum_columns,
        decode_float16,
        look_up_floats,
        add_centroid_keys,
        find_open};

} // namespace faiss_bebr
