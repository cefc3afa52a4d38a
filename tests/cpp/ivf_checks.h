#pragma once

// What the tests of IndexIVFSDC share.

#include "index_checks.h"
#include "indexes/IndexIVFSDC.h"

#include <faiss/IndexFlat.h>

#include <algorithm>
#include <vector>

namespace test {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;
using faiss_bebr::IndexIVFSDC;

constexpr size_t kNlist = 5;
struct Shape {
    std::vector<int> widths;
    faiss::MetricType metric;
    bool by_residual;
};

inline std::vector<Shape> get_shapes() {
    std::vector<Shape> shapes;
    for (const std::vector<int>& widths :
         std::vector<std::vector<int>>{{8}, {72, 72, 24}, {136, 72, 64, 64}}) {
        for (faiss::MetricType metric : {METRIC_L2, METRIC_INNER_PRODUCT}) {
            shapes.push_back({widths, metric, false});
            shapes.push_back({widths, metric, true});
        }
    }
    return shapes;
}

/// An index with its quantizer, trained and filled.
struct Filled {
    faiss::IndexFlat quantizer;
    IndexIVFSDC index;
    std::vector<float> x;
    std::vector<float> queries;

    Filled(const Shape& shape, idx_t n, idx_t nq = 7)
            : quantizer(shape.widths[0], METRIC_L2),
              index(&quantizer_with_centroids(quantizer),
                    shape.widths,
                    kNlist,
                    shape.metric) {
        Random random(2);
        std::vector<float> weight(index.d);
        for (float& w : weight) {
            w = static_cast<float>(random.integer(0, 30)) / 10;
        }
        index.set_query_map(weight, random.normal(index.d));
        index.by_residual = shape.by_residual;
        x = random.normal(std::max<idx_t>(n, 40) * index.d);
        index.train(x.size() / index.d, x.data());
        x.resize(n * index.d);
        index.add(n, x.data());
        index.nprobe = 3;
        queries = random.normal(nq * index.d);
    }

    std::vector<Results<float>> search(
            idx_t k,
            const faiss::IDSelector* sel = nullptr) const {
        return run_search<float>(
                index, queries, queries.size() / index.d, k, sel);
    }
    std::vector<Results<float>> range_search(
            float radius,
            const faiss::IDSelector* sel = nullptr) const {
        return run_range_search<float>(
                index, queries, queries.size() / index.d, radius, sel);
    }

   private:
    static faiss::Index& quantizer_with_centroids(faiss::IndexFlat& quantizer) {
        const auto x = Random(1).normal(kNlist * quantizer.d);
        quantizer.add(kNlist, x.data());
        return quantizer;
    }
};

} // namespace test
