// What IndexSDC stores: encoding, decoding, changes of the stored vectors.

#include "index_checks.h"
#include "indexes/IndexBinarySDC.h"
#include "indexes/IndexSDC.h"
#include "transform/BinarizerTransform.h"

#include <cfloat>
#include <climits>
#include <cmath>

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexSDC;
using test::idx_t;
using test::Note;

static IndexSDC make_index(idx_t n, uint32_t seed = 1) {
    IndexSDC index(std::vector<int>{72, 72, 24});
    test::Exact<float> x(test::Random(seed).normal(n * 72));
    index.add(n, x.data());
    return index;
}

/// the scale that ScaleType asks for, in double precision
static double get_scale_by_loop(
        const IndexSDC& index,
        const float* y,
        const std::vector<int>& values) {
    double yy = 0, yv = 0, vv = 0, total = 0;
    for (int j = 0; j < index.d; j++) {
        const double weight = index.sdc.query_weight[j];
        const double v = values[j] * double(index.sdc.layout.unit());
        yy += weight * y[j] * y[j];
        yv += weight * y[j] * v;
        vv += weight * v * v;
        total += weight;
    }
    switch (index.sdc.scale_type) {
        case faiss_bebr::Scale_cosine:
            return std::sqrt(total / vv);
        case faiss_bebr::Scale_least_squares:
            return yv / vv;
        default:
            return yy / yv;
    }
}

TEST(codes_have_planes_and_a_scale) {
    for (auto scale_type :
         {faiss_bebr::Scale_unbiased,
          faiss_bebr::Scale_least_squares,
          faiss_bebr::Scale_cosine}) {
        for (const std::vector<int>& widths : test::get_plane_widths()) {
            const Note note("widths", widths[0], "x", widths.size());
            IndexSDC index(widths);
            index.set_scale_type(scale_type);
            const size_t planes_size = test::get_planes_size(widths);
            CHECK_EQUAL(index.sa_code_size(), planes_size + 2);
            const std::vector<float> input =
                    test::Random(2).normal(3 * index.d);
            test::Exact<float> x(input);
            test::Exact<uint8_t> codes(3 * index.code_size);
            test::Exact<float> decoded(3 * index.d);
            index.sa_encode(3, x.data(), codes.data());
            index.sa_decode(3, codes.data(), decoded.data());
            for (int i = 0; i < 3; i++) {
                const uint8_t* code = codes.data() + i * index.code_size;
                const std::vector<int> values = test::read_values(widths, code);
                uint16_t half;
                std::memcpy(&half, code + planes_size, 2);
                const double scale = test::read_float16(half);
                const double expected =
                        get_scale_by_loop(index, &x[i * index.d], values);
                // float16 has 11 bits
                CHECK(std::fabs(scale - expected) <= expected / 2048 * 1.001);
                for (int j = 0; j < index.d; j++) {
                    CHECK((values[j] >= 0) == (x[i * index.d + j] >= 0));
                    CHECK_EQUAL(
                            decoded[i * index.d + j],
                            float(scale * index.sdc.layout.unit() * values[j]));
                }
            }
        }
    }
}

TEST(many_vectors_are_encoded_by_all_threads) {
    const idx_t n = 1500;
    const IndexSDC index = make_index(0);
    const std::vector<float> x = test::Random(3).normal(n * 72);
    std::vector<std::vector<uint8_t>> codes;
    std::vector<std::vector<float>> decoded;
    for (int nthreads : {1, 2, 5}) {
        const test::Threads threads(nthreads);
        codes.emplace_back(n * index.code_size);
        index.sa_encode(n, x.data(), codes.back().data());
        decoded.emplace_back(n * 72);
        index.sa_decode(n, codes.back().data(), decoded.back().data());
        CHECK(codes.back() == codes[0]);
        CHECK(decoded.back() == decoded[0]);
    }
}

TEST(zero_vectors_decode_to_zero) {
    const IndexSDC index = make_index(0);
    const std::vector<float> x(72, 0.0f);
    std::vector<uint8_t> code(index.code_size);
    std::vector<float> decoded(72, 1.0f);
    index.sa_encode(1, x.data(), code.data());
    index.sa_decode(1, code.data(), decoded.data());
    CHECK(decoded == x);
}

TEST(vectors_come_back) {
    IndexSDC index = make_index(50);
    std::vector<float> decoded(50 * 72);
    index.sa_decode(50, index.codes.data(), decoded.data());
    test::Exact<float> one(72);
    test::Exact<float> some(10 * 72);
    for (idx_t i = 0; i < 50; i++) {
        index.reconstruct(i, one.data());
        CHECK(std::equal(one.data(), one.data() + 72, &decoded[i * 72]));
    }
    index.reconstruct_n(40, 10, some.data());
    CHECK(std::equal(some.data(), some.data() + 720, &decoded[40 * 72]));
    for (idx_t id : {idx_t(-1), idx_t(50), idx_t(1) << 40}) {
        CHECK_THROWS(index.reconstruct(id, one.data()));
    }
    index.reset();
    CHECK_EQUAL(index.ntotal, idx_t(0));
    CHECK_EQUAL(index.codes.size(), size_t(0));
}

TEST(remove_ids_keeps_the_others_in_order) {
    for (const test::StepSelector& sel :
         {test::StepSelector(1, 0),
          test::StepSelector(1, 100),
          test::StepSelector(3, 100)}) {
        IndexSDC index = make_index(50);
        const std::vector<uint8_t> codes = test::get_codes(index);
        std::vector<uint8_t> kept;
        for (idx_t i = 0; i < 50; i++) {
            if (!sel.is_member(i)) {
                const auto code = codes.begin() + i * index.code_size;
                kept.insert(kept.end(), code, code + index.code_size);
            }
        }
        const size_t nremoved = index.remove_ids(sel);
        CHECK_EQUAL(nremoved, (codes.size() - kept.size()) / index.code_size);
        CHECK(test::get_codes(index) == kept);
    }
}

TEST(merge_from_moves_the_other) {
    IndexSDC index = make_index(30, 1);
    IndexSDC other = make_index(20, 2);
    std::vector<uint8_t> expected = test::get_codes(index);
    const std::vector<uint8_t> more = test::get_codes(other);
    expected.insert(expected.end(), more.begin(), more.end());
    index.merge_from(other);
    CHECK(test::get_codes(index) == expected);
    CHECK_EQUAL(index.ntotal, idx_t(50));
    CHECK_EQUAL(other.ntotal, idx_t(0));
    index.merge_from(other);
    CHECK_EQUAL(index.ntotal, idx_t(50));
}

static void check_merge_is_refused(IndexSDC& index, faiss::Index& other) {
    CHECK_THROWS(index.merge_from(other));
    CHECK_THROWS(index.check_compatible_for_merge(other));
}

TEST(merges_of_other_codes_leave_both_unchanged) {
    IndexSDC index = make_index(30);
    const test::Unchanged<IndexSDC> unchanged(index);
    check_merge_is_refused(index, index);
    IndexSDC narrower(std::vector<int>{72, 72, 16});
    check_merge_is_refused(index, narrower);
    IndexSDC shallower(72, 2);
    check_merge_is_refused(index, shallower);
    IndexSDC product(std::vector<int>{72, 72, 24}, METRIC_INNER_PRODUCT);
    check_merge_is_refused(index, product);

    IndexSDC other = make_index(5);
    const test::Unchanged<IndexSDC> other_unchanged(other);
    other.sdc.scale_type = faiss_bebr::Scale_cosine;
    check_merge_is_refused(index, other);
    other.sdc.scale_type = index.sdc.scale_type;
    other.sdc.query_offset[3] = 1;
    check_merge_is_refused(index, other);
    other.sdc.query_offset[3] = 0;
    CHECK_THROWS(index.merge_from(other, 7));
    other_unchanged.check();
    unchanged.check();
    index.check_compatible_for_merge(other);
}

TEST(errors_leave_the_index_unchanged) {
    IndexSDC index = make_index(30);
    const test::Unchanged<IndexSDC> unchanged(index);
    for (float bad : {NAN, INFINITY, -INFINITY, 1e6f}) {
        const Note note("value", bad);
        std::vector<float> x(3 * 72, 1.0f);
        // the first vectors are good
        std::fill(x.begin() + 2 * 72, x.end(), bad);
        CHECK_THROWS(index.add(3, x.data()));
        if (!std::isfinite(bad)) {
            CHECK_THROWS(test::run_search<float>(index, x, 3, 1));
            CHECK_THROWS(test::run_range_search<float>(index, x, 3, 1.0f));
        }
    }
    const std::vector<float> x(72, 1.0f);
    CHECK_THROWS(test::run_search<float>(index, x, 1, 0));
    CHECK_THROWS(index.search(1, x.data(), -1, nullptr, nullptr));
    CHECK_THROWS(test::run_range_search<float>(index, x, 1, NAN));
    CHECK_THROWS(index.set_query_map(
            std::vector<float>(72, -1.0f), std::vector<float>(72)));
    CHECK_THROWS(index.set_query_map(
            std::vector<float>(72, 1.0f), std::vector<float>(72, NAN)));
    CHECK_THROWS(index.set_query_map(
            std::vector<float>(71), std::vector<float>(72)));
    CHECK(index.sdc.query_weight == std::vector<float>(72, 1.0f));
    CHECK(index.sdc.query_offset == std::vector<float>(72, 0.0f));
    unchanged.check();
}

TEST(mapped_codes_are_read_only) {
    IndexSDC owned = make_index(30);
    IndexSDC mapped = make_index(0);
    test::Exact<uint8_t> file(test::get_codes(owned));
    test::view_codes(mapped, file.data(), 30);
    const std::vector<float> x = test::Random(2).normal(3 * 72);
    CHECK(test::run_search<float>(mapped, x, 3, 9) ==
          test::run_search<float>(owned, x, 3, 9));
    CHECK_THROWS(mapped.add(3, x.data()));
    test::check_read_only(mapped, owned);
}

TEST(constructors_refuse_impossible_shapes) {
    CHECK_THROWS(IndexSDC(12, 2));
    CHECK_THROWS(IndexSDC(0, 2));
    CHECK_THROWS(IndexSDC(-8, 2));
    CHECK_THROWS(IndexSDC(8, 0));
    CHECK_THROWS(IndexSDC(8, 9));
    CHECK_THROWS(IndexSDC(8, 2, faiss::METRIC_L1));
    CHECK_THROWS(IndexSDC(std::vector<int>()));
    CHECK_THROWS(IndexSDC(std::vector<int>{8, 16}));
}

TEST(an_index_takes_the_map_of_its_binarizer) {
    faiss_bebr::BinarizerTransform binarizer(16, {72, 72, 24});
    std::vector<float> weight(72, 0.5f);
    std::vector<float> offset(72, -0.25f);
    binarizer.set_query_map(weight, offset);

    IndexSDC early(binarizer, 2, METRIC_INNER_PRODUCT);
    CHECK(!early.is_trained);
    CHECK_EQUAL(early.sdc.scale_type, faiss_bebr::Scale_unbiased);
    const std::vector<float> x(72, 1.0f);
    CHECK_THROWS(early.add(1, x.data()));
    CHECK_THROWS(test::run_search<float>(early, x, 1, 1));
    CHECK_THROWS(test::run_range_search<float>(early, x, 1, 0.0f));
    CHECK_THROWS(early.train(1, x.data()));
    CHECK_EQUAL(early.ntotal, idx_t(0));

    binarizer.is_trained = true;
    early.train(1, x.data());
    const IndexSDC late(binarizer, 3, METRIC_INNER_PRODUCT);
    CHECK_EQUAL(late.sdc.scale_type, faiss_bebr::Scale_cosine);
    for (const IndexSDC* index :
         {static_cast<const IndexSDC*>(&early), &late}) {
        CHECK(index->is_trained && !index->binarizer);
        CHECK(index->sdc.query_weight == weight);
        CHECK(index->sdc.query_offset == offset);
    }
    early.add(1, x.data());
    CHECK_EQUAL(early.ntotal, idx_t(1));
    CHECK_THROWS(IndexSDC(binarizer, -1));
    CHECK_THROWS(IndexSDC(binarizer, 4));
}

TEST(searches_can_be_interrupted) {
    for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
        IndexSDC index(264, 2, metric);
        test::Random random(5);
        const std::vector<uint8_t> codes =
                random.bytes(20000 * index.code_size);
        index.add_sa_codes(20000, codes.data(), nullptr);
        const std::vector<float> x = random.normal(100 * 264);
        const auto before = test::run_search<float>(index, x, 100, 5);
        for (int nthreads : {1, 2}) {
            const Note note("metric", metric, "threads", nthreads);
            const test::Threads threads(nthreads);
            test::check_interrupts([&]() {
                CHECK(test::run_search<float>(index, x, 100, 5) == before);
            });
            test::check_interrupts([&]() {
                test::run_range_search<float>(
                        index, x, 100, metric == METRIC_L2 ? -1.0f : INFINITY);
            });
        }
    }
}
