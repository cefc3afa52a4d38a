// The kernels for codes side by side against their definition in
// TableKernels.h.

#include "all_kernels.h"
#include "check.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace faiss_bebr;
using test::Exact;
using test::get_all_table_kernels;
using test::Note;

/// groups of columns that are some bytes longer than what is read of them
struct Columns {
    size_t stride;
    Exact<uint8_t> bytes;

    Columns(test::Random& random, size_t nbytes, size_t more, size_t ngroups)
            : stride((nbytes + more) * kColumn),
              bytes((ngroups - 1) * stride + nbytes * kColumn) {
        const std::vector<uint8_t> values = random.bytes(bytes.n);
        std::copy(values.begin(), values.end(), bytes.data());
    }
    int get(size_t g, size_t byte, size_t j) {
        return bytes[g * stride + byte * kColumn + j];
    }
};

/// what the tables of a query have where bytes of codes exist
static std::vector<uint8_t> make_tables(
        test::Random& random,
        int index_bits,
        size_t nbytes) {
    std::vector<uint8_t> tables =
            random.bytes(get_table_size(index_bits, nbytes));
    const size_t triple_size = get_triple_size(index_bits);
    for (size_t i = 0; i < tables.size(); i++) {
        // some triples have more than 255
        tables[i] = static_cast<uint8_t>(tables[i] % 100);
        // missing bytes have no bits
        const size_t in_triple = i % triple_size;
        const size_t byte =
                i / triple_size * 3 + in_triple / (index_bits == 6 ? 64 : 32);
        const bool is_of_a_byte = index_bits == 4 || in_triple < 3 * 64;
        if (is_of_a_byte && byte >= nbytes) {
            tables[i] = 0;
        }
    }
    return tables;
}

// Sums are the same as those of the rows of the same codes.
static void check_sums(size_t nbytes, size_t more, size_t ngroups) {
    const Note note("nbytes", nbytes, "more", more, "ngroups", ngroups);
    test::Random random(static_cast<uint32_t>(nbytes + more + ngroups));
    Columns columns(random, nbytes, more, ngroups);
    for (const auto& [name, kernels] : get_all_table_kernels()) {
        const Note kernel("kernels", name);
        const int index_bits = kernels.index_bits;
        Exact<uint8_t> tables(make_tables(random, index_bits, nbytes));
        std::vector<uint16_t> expected(ngroups * kColumn);
        for (size_t g = 0; g < ngroups; g++) {
            std::vector<uint8_t> codes(nbytes * kColumn);
            std::vector<uint8_t> rows(
                    get_num_code_rows(index_bits, nbytes) * kColumn);
            const uint8_t* pointers[kColumn];
            for (size_t j = 0; j < kColumn; j++) {
                pointers[j] = codes.data() + j * nbytes;
                for (size_t byte = 0; byte < nbytes; byte++) {
                    codes[j * nbytes + byte] =
                            static_cast<uint8_t>(columns.get(g, byte, j));
                }
            }
            const TableKernels& plain = index_bits == 6
                    ? plain_table_kernels
                    : plain_table_kernels_of_4_bits;
            plain.transpose(nbytes, pointers, kColumn, rows.data());
            plain.sum_tables(
                    nbytes,
                    tables.data(),
                    1,
                    rows.data(),
                    1,
                    expected.data() + g * kColumn);
        }
        Exact<uint16_t> sums(ngroups * kColumn);
        kernels.sum_columns(
                nbytes,
                tables.data(),
                columns.bytes.data(),
                columns.stride,
                ngroups,
                sums.data());
        CHECK(std::equal(expected.begin(), expected.end(), sums.data()));
    }
}

TEST(sum_columns_of_all_sizes) {
    for (size_t nbytes = 1; nbytes <= 13; nbytes++) {
        check_sums(nbytes, 0, 1);
        check_sums(nbytes, 3, 4);
    }
    for (size_t nbytes : {64, 65, 66, 128, 768}) {
        check_sums(nbytes, 2, 3);
    }
}

TEST(every_float16) {
    constexpr size_t ngroups = 65536 / kColumn;
    constexpr size_t stride = 3 * kColumn;
    Exact<uint8_t> columns((ngroups - 1) * stride + 2 * kColumn);
    for (size_t i = 0; i < 65536; i++) {
        uint8_t* group = columns.data() + i / kColumn * stride;
        group[i % kColumn] = static_cast<uint8_t>(i);
        group[kColumn + i % kColumn] = static_cast<uint8_t>(i >> 8);
    }
    for (const auto& [name, kernels] : get_all_table_kernels()) {
        const Note kernel("kernels", name);
        Exact<float> values(65536);
        kernels.decode_float16(columns.data(), stride, ngroups, values.data());
        for (size_t i = 0; i < 65536; i++) {
            const float value =
                    values[i / kColumn * kColumn +
                           get_place_of_sum(i % kColumn)];
            const auto half = static_cast<uint16_t>(i & 0x7fff);
            if (half > 0x7c00) {
                CHECK(std::isnan(value));
            } else {
                CHECK_EQUAL(double(value), test::read_float16(half));
            }
        }
    }
}

TEST(look_up_all_floats) {
    test::Random random(2);
    std::vector<float> table = random.normal(256);
    table[0] = 0;
    table[255] = std::numeric_limits<float>::infinity();
    Exact<uint8_t> bytes(4 * 256);
    for (size_t i = 0; i < 256; i++) {
        uint32_t bits;
        std::memcpy(&bits, &table[i], sizeof(bits));
        for (size_t k = 0; k < 4; k++) {
            bytes[256 * k + i] = static_cast<uint8_t>(bits >> 8 * k);
        }
    }
    constexpr size_t ngroups = 9;
    Columns columns(random, 1, 2, ngroups);
    for (const auto& [name, kernels] : get_all_table_kernels()) {
        const Note kernel("kernels", name);
        Exact<float> values(ngroups * kColumn);
        kernels.look_up_floats(
                bytes.data(),
                columns.bytes.data(),
                columns.stride,
                ngroups,
                values.data());
        for (size_t j = 0; j < values.n; j++) {
            const size_t place =
                    j / kColumn * kColumn + get_place_of_sum(j % kColumn);
            CHECK_EQUAL(
                    values[place],
                    table[columns.get(j / kColumn, 0, j % kColumn)]);
        }
    }
}

static void check_centroid_keys(size_t ncentroids, bool has_scales) {
    const Note note("ncentroids", ncentroids, "scales", has_scales);
    constexpr size_t ngroups = 3;
    test::Random random(static_cast<uint32_t>(ncentroids));
    Exact<float> keys(random.normal(ncentroids));
    Exact<float> scales(random.normal(ngroups * kColumn));
    Exact<float> norms(random.normal(ngroups));
    // all bytes, so that some numbers are too large
    const size_t nbytes = ncentroids > 256 ? 2 : 1;
    Columns columns(random, nbytes, 3, ngroups);
    for (const auto& [name, kernels] : get_all_table_kernels()) {
        const Note kernel("kernels", name);
        Exact<float> biases(ngroups * kColumn);
        kernels.add_centroid_keys(
                keys.data(),
                ncentroids,
                columns.bytes.data(),
                columns.stride,
                has_scales ? scales.data() : nullptr,
                norms.data(),
                ngroups,
                biases.data());
        for (size_t i = 0; i < biases.n; i++) {
            const size_t g = i / kColumn, j = i % kColumn;
            size_t number = columns.get(g, 0, j);
            if (nbytes == 2) {
                number += 256 * columns.get(g, 1, j);
            }
            const size_t k = g * kColumn + get_place_of_sum(j);
            const float key = keys[std::min(number, ncentroids - 1)];
            const float bias = norms[g] + key * (has_scales ? scales[k] : 1.0f);
            CHECK_EQUAL(biases[k], bias - 1e-6f * std::fabs(bias));
        }
    }
}

TEST(keys_of_centroids) {
    for (size_t ncentroids : {1, 100, 256, 257, 5000, 65536}) {
        check_centroid_keys(ncentroids, false);
        check_centroid_keys(ncentroids, true);
    }
}

static void check_open(
        test::Random& random,
        const SumBound& bound,
        bool has_biases) {
    const Note note("biases", has_biases);
    constexpr size_t ngroups = 5;
    constexpr size_t n = ngroups * kColumn;
    Exact<uint16_t> sums(n);
    Exact<float> scales(random.normal(n)), biases(random.normal(n));
    for (size_t j = 0; j < n; j++) {
        sums[j] = static_cast<uint16_t>(random.integer(0, 2000));
        scales[j] = std::fabs(scales[j]);
    }
    sums[3] = 65535;
    scales[70] = std::numeric_limits<float>::quiet_NaN();
    scales[71] = std::numeric_limits<float>::infinity();
    biases[72] = std::numeric_limits<float>::quiet_NaN();
    std::vector<uint32_t> expected;
    for (size_t j = 0; j < n; j++) {
        const size_t k = j / kColumn * kColumn + get_place_of_sum(j % kColumn);
        const float least = has_biases ? bound.gap + biases[k] : bound.gap;
        const float lost = bound.step * static_cast<float>(sums[k]);
        if (!(least >= scales[k] * (bound.product - lost))) {
            expected.push_back(static_cast<uint32_t>(j));
        }
    }
    for (const auto& [name, kernels] : get_all_table_kernels()) {
        const Note kernel("kernels", name);
        Exact<uint32_t> hits(n);
        const size_t nhits = kernels.find_open(
                bound,
                sums.data(),
                scales.data(),
                has_biases ? biases.data() : nullptr,
                ngroups,
                hits.data());
        CHECK_EQUAL(nhits, expected.size());
        for (size_t h = 0; h < nhits; h++) {
            CHECK_EQUAL(hits[h], expected[h]);
        }
    }
}

TEST(open_documents) {
    test::Random random(4);
    const float infinity = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (float gap : {-1.0f, 0.0f, 0.5f, 3.0f, 1e30f, infinity, -infinity}) {
        for (float product : {1.0f, 1.5f, 0.0f, nan}) {
            const Note note("gap", gap, "product", product);
            for (bool has_biases : {false, true}) {
                check_open(random, {gap, product, 0.001f}, has_biases);
            }
        }
    }
}

/// what find_below_numbered() finds by the first columns
static std::vector<uint32_t> find_below_numbered(
        const faiss_bebr::TableKernels& kernels,
        Exact<uint16_t>& sums,
        Exact<uint16_t>& limits,
        Columns& columns) {
    Exact<uint32_t> hits(sums.n);
    const size_t nhits = kernels.find_below_numbered(
            sums.data(),
            limits.data(),
            columns.bytes.data(),
            columns.stride,
            sums.n / kColumn,
            hits.data());
    return {hits.data(), hits.data() + nhits};
}

/// @param most  of the sums and limits
static void check_below_numbered(int most, size_t ngroups) {
    const Note note("most", most, "ngroups", ngroups);
    test::Random random(static_cast<uint32_t>(ngroups + most));
    Columns columns(random, 1, 2, ngroups);
    Exact<uint16_t> sums(ngroups * kColumn), limits(256);
    for (size_t j = 0; j < sums.n; j++) {
        sums[j] = static_cast<uint16_t>(random.integer(0, most));
    }
    for (size_t i = 0; i < limits.n; i++) {
        // few sums are below some, and none below 0
        limits[i] = static_cast<uint16_t>(random.integer(0, most) / (i + 1));
    }
    limits[255] = 65535;
    std::vector<uint32_t> expected;
    for (size_t j = 0; j < sums.n; j++) {
        const size_t g = j / kColumn, place = j % kColumn;
        const uint16_t limit = limits[columns.get(g, 0, place)];
        if (sums[g * kColumn + get_place_of_sum(place)] < limit) {
            expected.push_back(static_cast<uint32_t>(j));
        }
    }
    CHECK(!expected.empty());
    for (const auto& [name, kernels] : get_all_table_kernels()) {
        const Note kernel("kernels", name);
        CHECK(find_below_numbered(kernels, sums, limits, columns) == expected);
    }
}

TEST(no_document_or_all_below_their_limits) {
    test::Random random(9);
    Columns columns(random, 1, 0, 2);
    for (int limit : {0, 1, 32768, 65535}) {
        Exact<uint16_t> sums(2 * kColumn), limits(256);
        std::fill(limits.data(), limits.data() + limits.n, limit);
        for (int sum : {limit, limit - 1}) {
            if (sum < 0) {
                continue;
            }
            std::fill(sums.data(), sums.data() + sums.n, sum);
            for (const auto& [name, kernels] : get_all_table_kernels()) {
                const Note kernel("kernels", name, "limit", limit, "sum", sum);
                CHECK_EQUAL(
                        find_below_numbered(kernels, sums, limits, columns)
                                .size(),
                        sum < limit ? sums.n : size_t(0));
            }
        }
    }
}

TEST(documents_below_the_limit_of_their_number) {
    for (int most : {100, 2000, 65535}) {
        for (size_t ngroups : {1, 5, 33}) {
            check_below_numbered(most, ngroups);
        }
    }
}
