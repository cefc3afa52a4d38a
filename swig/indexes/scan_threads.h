#pragma once

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <omp.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>

namespace faiss_bebr {

/// whether this is the first thread of all parallel regions around
inline bool is_calling_thread() {
    for (int level = 1; level <= omp_get_level(); level++) {
        if (omp_get_ancestor_thread_num(level) != 0) {
            return false;
        }
    }
    return true;
}

/// Stops all threads of a scan when the user wants it.
struct ScanInterrupt {
    std::atomic<bool> happened{false};
    size_t period; ///< tiles between two looks

    /// @param ops_per_tile  operations, at most
    explicit ScanInterrupt(size_t ops_per_tile)
            : period(faiss::InterruptCallback::get_period_hint(ops_per_tile)) {}

    /** @param ntiles  what a thread has done, which n tiles are added to
     */
    bool check(size_t& ntiles, size_t n = 1) {
        const bool is_due = ntiles / period != (ntiles + n) / period;
        ntiles += n;
        // only the thread that called may look: Python delivers signals to it
        if (is_due && is_calling_thread() &&
            faiss::InterruptCallback::is_interrupted()) {
            happened = true;
        }
        return happened;
    }

    /// for after the threads
    void throw_if_happened() const {
        if (happened) {
            FAISS_THROW_MSG("computation interrupted");
        }
    }
};

/** Run body(i) for i in 0 .. n - 1 with one OpenMP thread for each, if there
 * are so many; the calling thread takes the first. An exception comes out when
 * all are done.
 */
template <class Body>
void run_on_threads(size_t n, const Body& body) {
    std::exception_ptr ex;
#pragma omp parallel for schedule(static, 1) if (n > 1)
    for (int64_t i = 0; i < int64_t(n); i++) {
        try {
            body(i);
        } catch (...) {
            faiss::omp_capture_exception(ex);
        }
    }
    faiss::omp_rethrow_if_exception(ex);
}

} // namespace faiss_bebr
