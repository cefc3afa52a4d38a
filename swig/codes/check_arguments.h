#pragma once

#include <faiss/MetricType.h>
#include <faiss/impl/maybe_owned_vector.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

// Checks of arguments; all throw FaissException.

/// names the first of n * d values that is NaN or infinite
void check_finite(size_t n, size_t d, const float* x);

/// for what is clustered, as FAISS ends the process when a distance overflows
/// there; names the first of n vectors that are too large
void check_distances(size_t n, int d, const float* x);

/// d bits of packed codes have to be nbits planes of a multiple of 8
void check_binary_shape(faiss::idx_t d, int nbits, faiss::MetricType metric);

/// weights have to be finite and not negative, offsets finite, d of each
void check_query_map(
        int d,
        const std::vector<float>& weight,
        const std::vector<float>& offset);

/// d * d finite values, or none; the diagonal is not negative
void check_error_weight(int d, const std::vector<float>& weight);

/// of a coarse first stage, see SDCQuantizer
void check_ncentroids(size_t ncentroids);

/// the ids i0 .. i0 + ni - 1 have to be in 0 .. ntotal - 1
void check_id_range(faiss::idx_t i0, faiss::idx_t ni, faiss::idx_t ntotal);

/// codes that are a view of a mapped file cannot be changed: FAISS itself ends
/// the process when it tries
void check_owned(const faiss::MaybeOwnedVector<uint8_t>& codes);

} // namespace faiss_bebr
