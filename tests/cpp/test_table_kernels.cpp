// The kernels for tables against their definition in TableKernels.h.

#include "all_kernels.h"
#include "check.h"
#include "test_data.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

using namespace faiss_bebr;
using test::Exact;
using test::Note;

static int get_bit(const uint8_t* code, size_t bit) {
    return (code[bit / 8] >> (bit % 8)) & 1;
}

static void check_transpose(size_t nbytes, size_t n) {
    const Note note("nbytes", nbytes, "n", n);
    test::Random random(static_cast<uint32_t>(100 * nbytes + n));
    // each code in a block of its own
    std::vector<std::unique_ptr<Exact<uint8_t>>> codes;
    Exact<const uint8_t*> pointers(n);
    for (size_t k = 0; k < n; k++) {
        codes.push_back(std::make_unique<Exact<uint8_t>>(random.bytes(nbytes)));
        pointers[k] = codes[k]->data();
    }
    for (const auto& [name, kernels] : test::get_all_table_kernels()) {
        const Note kernel("kernels", name);
        const size_t nrows = get_num_table_rows(nbytes);
        Exact<uint8_t> rows(nrows * kColumn);
        kernels.transpose(nbytes, pointers.data(), n, rows.data());
        for (size_t k = 0; k < kColumn; k++) {
            // six bits of each row count
            std::vector<int> left(nrows, 0);
            for (size_t bit = 0; k < n && bit < 8 * nbytes; bit++) {
                const size_t place = get_table_bit(bit / 8, bit % 8);
                CHECK(place % 8 < 6);
                left[place / 8] |= get_bit(pointers[k], bit) << (place % 8);
            }
            for (size_t r = 0; r < nrows; r++) {
                CHECK_EQUAL(rows[r * kColumn + k] & 63, left[r]);
            }
        }
    }
}

TEST(transpose_of_all_sizes) {
    for (size_t nbytes = 1; nbytes <= 50; nbytes++) {
        check_transpose(nbytes, 64);
        check_transpose(nbytes, 1 + nbytes);
    }
    for (size_t nbytes : {63, 64, 65, 66, 96, 111, 112, 113, 128, 130, 192}) {
        for (size_t n : {1, 15, 16, 17, 63, 64}) {
            check_transpose(nbytes, n);
        }
    }
    check_transpose(kMaxTableBytes, 64);
}

// Every bit of a code has a place of its own.
TEST(places_of_bits) {
    for (size_t nbytes : {1, 2, 3, 4, 47, 48, 49, 128}) {
        std::vector<int> count(8 * get_num_table_rows(nbytes), 0);
        for (size_t bit = 0; bit < 8 * nbytes; bit++) {
            count.at(get_table_bit(bit / 8, bit % 8))++;
        }
        for (size_t i = 0; i < count.size(); i++) {
            CHECK(count[i] <= 1 && (i % 8 < 6 || count[i] == 0));
        }
    }
}

static std::vector<int16_t> make_weights(
        test::Random& random,
        size_t nrows,
        int most) {
    std::vector<int16_t> weights(8 * nrows);
    for (int16_t& weight : weights) {
        weight = static_cast<int16_t>(random.integer(-most, most));
    }
    return weights;
}

/// what makes the largest sum of four rows about so much
static float get_factor(
        const std::vector<int16_t>& weights,
        float largest_sum) {
    int most = 1;
    for (size_t i = 0; i < weights.size(); i += 32) {
        int sum = 0;
        for (size_t j = i; j < i + 32; j++) {
            sum += j % 8 < 6 ? std::abs(weights[j]) : 0;
        }
        most = std::max(most, sum);
    }
    return largest_sum / static_cast<float>(most);
}

static void check_tables(
        test::Random& random,
        size_t nrows,
        int most,
        float largest_sum) {
    const Note note("nrows", nrows, "most", most, "largest", largest_sum);
    const std::vector<int16_t> values = make_weights(random, nrows, most);
    Exact<int16_t> weights(values);
    const float factor = get_factor(values, largest_sum);
    for (const auto& [name, kernels] : test::get_all_table_kernels()) {
        const Note kernel("kernels", name);
        Exact<uint8_t> tables(nrows * kColumn);
        kernels.make_tables(nrows, weights.data(), factor, tables.data());
        for (size_t j = 0; j < tables.n; j++) {
            int sum = 0;
            for (size_t i = 0; i < 6; i++) {
                const int weight = weights[j / kColumn * 8 + i];
                const bool bit = (j >> i) & 1;
                const float w = static_cast<float>(std::abs(weight));
                if (bit != (weight > 0)) {
                    sum += static_cast<int>(w * factor);
                }
            }
            CHECK_EQUAL(int(tables[j]), std::min(sum, 65535) / 256);
        }
    }
}

TEST(make_tables_of_all_weights) {
    test::Random random(1);
    for (size_t nrows : {4, 12, 88}) {
        for (int most : {0, 1, 127, 127 * 128}) {
            // the last ones do not fit
            for (float largest_sum : {65000.0f, 130000.0f, 1e6f}) {
                check_tables(random, nrows, most, largest_sum);
            }
        }
    }
}

static void check_sums(size_t nrows, size_t nq, size_t ngroups, int kind) {
    const Note note("nrows", nrows, "nq", nq, "ngroups", ngroups);
    test::Random random(static_cast<uint32_t>(nrows + nq + ngroups));
    Exact<uint8_t> rows(random.bytes(ngroups * nrows * kColumn));
    Exact<uint8_t> tables(random.bytes(nq * nrows * kColumn));
    for (size_t i = 0; i < tables.n; i++) {
        // random bytes are often more than 255 in four rows
        tables[i] = kind == 0 ? tables[i] % 64
                : kind == 1   ? (i / kColumn % 4 ? 0 : 255)
                              : tables[i];
    }
    for (const auto& [name, kernels] : test::get_all_table_kernels()) {
        const Note kernel("kernels", name);
        Exact<uint16_t> sums(nq * ngroups * kColumn);
        kernels.sum_tables(
                nrows, tables.data(), nq, rows.data(), ngroups, sums.data());
        for (size_t j = 0; j < sums.n; j++) {
            const size_t q = j / (ngroups * kColumn);
            const size_t g = j / kColumn % ngroups;
            int sum = 0, part = 0;
            for (size_t r = 0; r < nrows; r++) {
                const int index =
                        rows[(g * nrows + r) * kColumn + j % kColumn] & 63;
                part += tables[(q * nrows + r) * kColumn + index];
                if (r % 4 == 3) {
                    sum += std::min(part, 255);
                    part = 0;
                }
            }
            const size_t group = j / kColumn * kColumn;
            CHECK_EQUAL(int(sums[group + get_place_of_sum(j % kColumn)]), sum);
        }
    }
}

TEST(sum_tables_of_all_tiles) {
    for (size_t nq = 1; nq <= 13; nq++) {
        for (size_t ngroups = 1; ngroups <= 5; ngroups++) {
            check_sums(12, nq, ngroups, 0);
            check_sums(12, nq, ngroups, 2);
        }
    }
    check_sums(88, 6, 2, 0);
    check_sums(get_num_table_rows(kMaxTableBytes), 7, 1, 1);
}

TEST(find_below_of_all_limits) {
    test::Random random(2);
    for (size_t ngroups = 1; ngroups <= 4; ngroups++) {
        Exact<uint16_t> sums(ngroups * kColumn);
        Exact<int32_t> limits(ngroups);
        for (int limit : {-1, 0, 1, 30000, 65535, 65536, 100000}) {
            const Note note("ngroups", ngroups, "limit", limit);
            for (size_t j = 0; j < sums.n; j++) {
                sums[j] = static_cast<uint16_t>(random.integer(0, 65535));
            }
            sums[random.integer(0, int(sums.n) - 1)] = 0;
            sums[random.integer(0, int(sums.n) - 1)] = 65535;
            for (size_t g = 0; g < ngroups; g++) {
                limits[g] = g % 2 == 0 ? limit : random.integer(0, 2000);
            }
            std::vector<uint32_t> expected;
            for (size_t j = 0; j < sums.n; j++) {
                const size_t group = j / kColumn * kColumn;
                if (sums[group + get_place_of_sum(j % kColumn)] <
                    limits[j / kColumn]) {
                    expected.push_back(static_cast<uint32_t>(j));
                }
            }
            for (const auto& [name, kernels] : test::get_all_table_kernels()) {
                const Note kernel("kernels", name);
                Exact<uint32_t> hits(sums.n);
                const size_t nhits = kernels.find_below(
                        sums.data(), limits.data(), ngroups, hits.data());
                CHECK_EQUAL(nhits, expected.size());
                for (size_t h = 0; h < nhits; h++) {
                    CHECK_EQUAL(hits[h], expected[h]);
                }
            }
        }
    }
}
