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
        const bool has_upper_rows = kernels.index_bits == 6;
        const size_t nrows = get_num_code_rows(kernels.index_bits, nbytes);
        CHECK_EQUAL(nrows, (has_upper_rows ? 4 : 3) * ((nbytes + 2) / 3));
        Exact<uint8_t> rows(nrows * kColumn);
        kernels.transpose(nbytes, pointers.data(), n, rows.data());
        for (size_t k = 0; k < kColumn; k++) {
            std::vector<int> expected(nrows, 0);
            for (size_t byte = 0; k < n && byte < nbytes; byte++) {
                const int x = pointers[k][byte];
                if (has_upper_rows) {
                    const size_t first = byte / 3 * 4;
                    expected[first + byte % 3] = x & 63;
                    expected[first + 3] |= x >> 6 << (2 * (byte % 3));
                } else {
                    expected[byte] = x;
                }
            }
            for (size_t r = 0; r < nrows; r++) {
                // six bits of each row count
                const int x = rows[r * kColumn + k];
                CHECK_EQUAL(has_upper_rows ? x & 63 : x, expected[r]);
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

/// the tables of a triple, and the weights from one to the next
static size_t get_num_tables(int index_bits) {
    return index_bits == 6 ? 4 : 6;
}
static size_t get_weight_step(int index_bits) {
    return index_bits == 6 ? 8 : 4;
}

// Every bit of a code has a place of its own, among those that are read.
TEST(places_of_bits) {
    for (int index_bits : {4, 6}) {
        for (size_t nbytes : {1, 2, 3, 4, 47, 48, 49, 128}) {
            std::vector<int> count(get_num_table_weights(nbytes), 0);
            for (size_t bit = 0; bit < 8 * nbytes; bit++) {
                count.at(get_table_bit(index_bits, bit / 8, bit % 8))++;
            }
            const size_t step = get_weight_step(index_bits);
            for (size_t i = 0; i < count.size(); i++) {
                const size_t j = i % kTripleWeights;
                const bool is_read = j / step < get_num_tables(index_bits) &&
                        j % step < size_t(index_bits);
                CHECK(count[i] <= (is_read ? 1 : 0));
            }
        }
    }
}

/// what makes the largest sum of the weights of a triple about so much
static float get_factor(
        const std::vector<int16_t>& weights,
        float largest_sum) {
    int most = 1;
    for (size_t i = 0; i < weights.size(); i += kTripleWeights) {
        int sum = 0;
        for (size_t j = i; j < i + kTripleWeights; j++) {
            sum += std::abs(weights[j]);
        }
        most = std::max(most, sum);
    }
    return largest_sum / static_cast<float>(most);
}

static void check_tables(
        test::Random& random,
        size_t nbytes,
        int most,
        float largest_sum) {
    const Note note("nbytes", nbytes, "most", most, "largest", largest_sum);
    // those that are not read too
    std::vector<int16_t> values(get_num_table_weights(nbytes));
    for (int16_t& weight : values) {
        weight = static_cast<int16_t>(random.integer(-most, most));
    }
    Exact<int16_t> weights(values);
    const float factor = get_factor(values, largest_sum);
    for (const auto& [name, kernels] : test::get_all_table_kernels()) {
        const Note kernel("kernels", name);
        const int index_bits = kernels.index_bits;
        const size_t ntables = get_num_tables(index_bits);
        const size_t nentries = size_t(1) << index_bits;
        const size_t triple_size = get_triple_size(index_bits);
        CHECK_EQUAL(triple_size, ntables * nentries);
        Exact<uint8_t> tables(get_num_triples(nbytes) * triple_size);
        CHECK(get_table_size(index_bits, nbytes) >= tables.n);
        kernels.make_tables(nbytes, weights.data(), factor, tables.data());
        for (size_t j = 0; j < tables.n; j++) {
            const size_t first = j / triple_size * kTripleWeights +
                    j % triple_size / nentries * get_weight_step(index_bits);
            int sum = 0;
            for (int i = 0; i < index_bits; i++) {
                const int weight = weights[first + i];
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
    for (size_t nbytes : {1, 3, 8, 9, 64}) {
        for (int most : {0, 1, 127, 127 * 128}) {
            // the last ones do not fit
            for (float largest_sum : {65000.0f, 130000.0f, 1e6f}) {
                check_tables(random, nbytes, most, largest_sum);
            }
        }
    }
}

/// what the tables of a triple have for rows of document j, at most 255
static int look_up(
        int index_bits,
        const uint8_t* tables,
        const uint8_t* rows,
        size_t j) {
    int sum = 0;
    for (size_t i = 0; i < get_num_tables(index_bits); i++) {
        if (index_bits == 6) {
            sum += tables[64 * i + (rows[i * kColumn + j] & 63)];
        } else {
            const int x = rows[i / 2 * kColumn + j];
            sum += tables[16 * i + (i % 2 == 0 ? x & 15 : x >> 4)];
        }
    }
    return std::min(sum, 255);
}

static void check_sums(size_t nbytes, size_t nq, size_t ngroups, int kind) {
    const Note note("nbytes", nbytes, "nq", nq, "ngroups", ngroups);
    test::Random random(static_cast<uint32_t>(nbytes + nq + ngroups));
    for (const auto& [name, kernels] : test::get_all_table_kernels()) {
        const Note kernel("kernels", name);
        const int index_bits = kernels.index_bits;
        const size_t nrows = get_num_code_rows(index_bits, nbytes);
        const size_t table_size = get_table_size(index_bits, nbytes);
        Exact<uint8_t> rows(random.bytes(ngroups * nrows * kColumn));
        Exact<uint8_t> tables(random.bytes(nq * table_size));
        for (size_t i = 0; i < tables.n; i++) {
            // random bytes are often more than 255 in a triple
            tables[i] = kind == 0 ? tables[i] % 42
                    : kind == 1   ? 255
                                  : tables[i];
        }
        Exact<uint16_t> sums(nq * ngroups * kColumn);
        kernels.sum_tables(
                nbytes, tables.data(), nq, rows.data(), ngroups, sums.data());
        for (size_t j = 0; j < sums.n; j++) {
            const size_t q = j / (ngroups * kColumn);
            const size_t g = j / kColumn % ngroups;
            int sum = 0;
            for (size_t t = 0; t < get_num_triples(nbytes); t++) {
                const size_t row = g * nrows + t * get_triple_rows(index_bits);
                sum +=
                        look_up(index_bits,
                                tables.data() + q * table_size +
                                        t * get_triple_size(index_bits),
                                rows.data() + row * kColumn,
                                j % kColumn);
            }
            const size_t group = j / kColumn * kColumn;
            CHECK_EQUAL(int(sums[group + get_place_of_sum(j % kColumn)]), sum);
            // all that 16 bits have to hold
            CHECK(kind != 1 || sum == int(255 * get_num_triples(nbytes)));
        }
    }
}

TEST(sum_tables_of_all_tiles) {
    for (size_t nq = 1; nq <= 13; nq++) {
        for (size_t ngroups = 1; ngroups <= 5; ngroups++) {
            check_sums(9, nq, ngroups, 0);
            check_sums(8, nq, ngroups, 2);
        }
    }
    check_sums(66, 6, 2, 0);
    check_sums(kMaxTableBytes, 7, 1, 1);
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
