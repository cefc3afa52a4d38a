// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/MetricType.h>

#include <cstddef>
#include <memory>
#include <mutex>

namespace faiss {

/// Output of a range search: query i has the entries lims[i] .. lims[i + 1].
struct RangeSearchResult {
    size_t nq;
    size_t* lims; ///< size nq + 1
    idx_t* labels;
    float* distances;
    size_t buffer_size;

    explicit RangeSearchResult(size_t nq, bool alloc_lims = true);
    virtual void do_allocation();
    virtual ~RangeSearchResult();
};

/// How Ctrl-C and time limits reach a running computation.
struct InterruptCallback {
    virtual bool want_interrupt() = 0;
    virtual ~InterruptCallback() {}

    static std::mutex lock;
    static std::unique_ptr<InterruptCallback> instance;

    static void clear_instance();
    /// throws when interrupted; main thread only
    static void check();
    /// for any thread
    static bool is_interrupted();
    static size_t get_period_hint(size_t flops);
};

} // namespace faiss
