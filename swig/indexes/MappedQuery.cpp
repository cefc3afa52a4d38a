#include "indexes/MappedQuery.h"

#include "codes/magnitudes.h"

#include <faiss/impl/FaissAssert.h>

#include <cstring>

namespace faiss_bebr {

MappedQuery::MappedQuery(const SDCQuantizer& sdc)
        : values(sdc.dim()), ranged(sdc.layout.coded_dim()) {}

float MappedQuery::set(const SDCQuantizer& sdc, const float* x, size_t i) {
    const size_t d = values.size();
    const float* y = x + i * d;
    for (size_t j = 0; j < d; j++) {
        values[j] = sdc.query_weight[j] * y[j];
    }
    if (sdc.metric_type != faiss::METRIC_L2) {
        for (size_t j = 0; j < d; j++) {
            values[j] += sdc.query_offset[j];
        }
    }
    for (size_t j = 0; j < ranged.size(); j++) {
        ranged[j] = values[j] * sdc.range[j];
    }
    const int32_t largest =
            get_largest_magnitude_bits(ranged.size(), ranged.data());
    FAISS_THROW_IF_NOT_FMT(
            largest < kInfinityBits &&
                    get_largest_magnitude_bits(d, values.data()) <
                            kInfinityBits,
            "x[%zd] overflows in the query's map",
            i);
    float magnitude;
    std::memcpy(&magnitude, &largest, sizeof(magnitude));
    return magnitude;
}

} // namespace faiss_bebr
