// ScaleLimits against the bounds that they stand for, of the plain kernels.

#include "all_kernels.h"
#include "check.h"
#include "indexes/DocumentNorms.h"
#include "indexes/ScaleLimits.h"

#include <cmath>
#include <limits>

using namespace faiss_bebr;
using test::Note;

/// @param range  of all dimensions, whose squares are the norm of a code
static SDCQuantizer make_quantizer(
        faiss::MetricType metric,
        const std::vector<float>& scales,
        float range = 0.5f) {
    SDCQuantizer sdc({64, 64}, metric);
    sdc.set_range(std::vector<float>(64, range));
    sdc.set_scale_bytes(1);
    sdc.set_scale_values(scales);
    return sdc;
}

/// 0 and then from the least to the largest
static std::vector<float> make_scales(float least, float largest) {
    std::vector<float> scales(ScaleLimits::n);
    for (size_t i = 1; i < scales.size(); i++) {
        const float part = static_cast<float>(i - 1) / 254;
        scales[i] = least * std::pow(largest / least, part);
    }
    return scales;
}

/// whether find_open() of the plain kernels leaves a document open
static bool is_open(
        const SumBound& bound,
        uint16_t sum,
        float scale,
        float bias) {
    std::vector<uint16_t> sums(kColumn, sum);
    std::vector<float> scales(kColumn, scale), biases(kColumn, bias);
    uint32_t hits[kColumn];
    return plain_table_kernels.find_open(
                   bound, sums.data(), scales.data(), biases.data(), 1, hits) >
            0;
}

/** What is open is below the limit, whatever the bound.
 * @param slack  how many sums below the limit are not open, at most; less than
 *               0: any
 */
static void check_limits(
        const SDCQuantizer& sdc,
        const FlatQueries& queries,
        const SumBound& bound,
        int slack) {
    const Note note(
            "gap", bound.gap, "product", bound.product, "step", bound.step);
    uint16_t limits[ScaleLimits::n];
    ScaleLimits(queries).compute(bound, limits);
    const bool is_l2 = sdc.metric_type == faiss::METRIC_L2;
    const float norm =
            is_l2 ? get_norm_of_signs(sdc, queries.tables->layout) : 0;
    for (size_t i = 0; i < ScaleLimits::n; i += 17) {
        const float scale = sdc.scale_values[i];
        const float step = scale * queries.tables->layout.unit();
        const float bias = step * step * (norm * (1 - kRoundingOfBounds));
        const Note scale_note("scale", scale, "limit", limits[i]);
        // sums are below 65535
        for (int sum : {int(limits[i]), limits[i] + 1, limits[i] + 40, 65280}) {
            if (sum >= limits[i] && sum < 65535) {
                CHECK(!is_open(bound, static_cast<uint16_t>(sum), scale, bias));
            }
        }
        const int sure = limits[i] - 1 - slack;
        if (slack >= 0 && limits[i] < 65535 && scale > 0 && sure >= 0) {
            CHECK(is_open(bound, static_cast<uint16_t>(sure), scale, bias));
        }
    }
}

static void check_all_bounds(
        const SDCQuantizer& sdc,
        const FlatQueries& queries) {
    CHECK(ScaleLimits::are_enough_for(queries));
    test::Random random(5);
    for (int i = 0; i < 200; i++) {
        // those of searches: products of some thousand steps
        const float step = std::exp(2 * random.normal(1)[0]);
        const auto nsteps = static_cast<float>(random.integer(100, 60000));
        const float gap =
                step * nsteps * sdc.scale_values[200] * random.normal(1)[0];
        check_limits(sdc, queries, {gap, step * nsteps, step}, 4);
    }
    const float infinity = std::numeric_limits<float>::infinity();
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (float gap :
         {-infinity, -1e37f, -1.0f, -1e-30f, 0.0f, 1e-30f, 1.0f, 1e37f, nan}) {
        for (float product : {0.0f, 1e-35f, 1.0f, 1e37f, nan}) {
            for (float step : {0.0f, 1e-40f, 1e-30f, 1e-3f, 1e30f, nan}) {
                check_limits(sdc, queries, {gap, product, step}, -1);
            }
        }
    }
}

TEST(open_sums_are_below_their_limits) {
    for (faiss::MetricType metric :
         {faiss::METRIC_INNER_PRODUCT, faiss::METRIC_L2}) {
        for (const auto& [least, largest] :
             {std::pair(0.5f, 2.0f), {1e-3f, 1.0f}, {1e-40f, 1e-36f}}) {
            const Note note("metric", int(metric), "scales from", least);
            const SDCQuantizer sdc =
                    make_quantizer(metric, make_scales(least, largest));
            const std::vector<float> x = test::Random(6).normal(64);
            check_all_bounds(
                    sdc, FlatQueries(sdc, 1, x.data(), PlaneLayout({64}, 64)));
        }
    }
}

// Norms that cancel out with the gap, down to where they underflow.
TEST(open_sums_with_large_norms_are_below_their_limits) {
    const std::vector<float> x = test::Random(6).normal(64);
    const PlaneLayout first({64}, 64);
    for (const auto& [least, range] :
         {std::pair(0.5f, 1e3f),
          {1e-3f, 1e6f},
          {1e-20f, 1e12f},
          {1e-30f, 1e15f}}) {
        const Note note("scales from", least, "range", range);
        const SDCQuantizer sdc = make_quantizer(
                faiss::METRIC_L2, make_scales(least, 4 * least), range);
        const FlatQueries queries(sdc, 1, x.data(), first);
        const float norm = get_norm_of_signs(sdc, queries.tables->layout) *
                (1 - kRoundingOfBounds);
        test::Random random(7);
        for (int i = 0; i < 500; i++) {
            const float scale = sdc.scale_values[17 * (i % 15) + 17];
            const float step = scale * queries.tables->layout.unit();
            const float table_step = std::exp(9 * random.normal(1)[0]);
            const float product = 5000 * table_step;
            const auto sum = static_cast<float>(random.integer(0, 9000));
            float gap =
                    scale * (product - table_step * sum) - step * step * norm;
            for (int j = i % 7; j < 3; j++) {
                gap = std::nextafter(gap, -1e38f);
            }
            check_limits(sdc, queries, {gap, product, table_step}, -1);
        }
    }
}

TEST(limits_are_for_documents_that_differ_in_scales_alone) {
    const std::vector<float> x(64, 1.0f);
    SDCQuantizer sdc = make_quantizer(faiss::METRIC_L2, make_scales(0.5f, 2));
    const PlaneLayout first({64}, 64);
    CHECK(ScaleLimits::are_enough_for(FlatQueries(sdc, 1, x.data(), first)));
    // the norms of all planes take the codes
    CHECK(!ScaleLimits::are_enough_for(FlatQueries(sdc, 1, x.data())));
    sdc.set_scale_bytes(2);
    CHECK(!ScaleLimits::are_enough_for(FlatQueries(sdc, 1, x.data(), first)));
}
