#pragma once

#include <faiss/MetricType.h>
#include <faiss/impl/FaissException.h>
#include <omp.h>

#include <atomic>
#include <exception>

namespace faiss_bebr {

/** Run body(i) for i in 0 .. n - 1 with all OpenMP threads, in a parallel
 * region with the thread that calls. The first exception stops it and comes
 * out, which one of a parallel region may not.
 * @param min_for_threads  below it, a thread is not worth its start
 */
template <class Body>
void parallel_for(
        faiss::idx_t n,
        faiss::idx_t min_for_threads,
        const Body& body) {
    if (n < min_for_threads || omp_in_parallel()) {
        for (faiss::idx_t i = 0; i < n; i++) {
            body(i);
        }
        return;
    }
    std::exception_ptr ex;
    std::atomic<bool> has_failed{false};
#pragma omp parallel for schedule(guided)
    for (faiss::idx_t i = 0; i < n; i++) {
        if (has_failed) {
            continue;
        }
        try {
            body(i);
        } catch (...) {
            faiss::omp_capture_exception(ex);
            has_failed = true;
        }
    }
    faiss::omp_rethrow_if_exception(ex);
}

} // namespace faiss_bebr
