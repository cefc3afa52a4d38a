// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/MetricType.h>
#include <faiss/impl/InvertedListScannerStats.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

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

/// A growing list of results.
struct BufferList {
    struct Buffer {
        idx_t* ids;
        float* dis;
    };

    size_t buffer_size; ///< entries in each buffer
    std::vector<Buffer> buffers;
    size_t wp; ///< where the next result goes in the last buffer

    explicit BufferList(size_t buffer_size);
    ~BufferList();

    void append_buffer();
    void add(idx_t id, float dis);
    /// entries ofs .. ofs + n - 1
    void copy_range(size_t ofs, size_t n, idx_t* dest_ids, float* dest_dis);
};

struct RangeSearchPartialResult;

/// The results of one query.
struct RangeQueryResult {
    idx_t qno;
    size_t nres;
    RangeSearchPartialResult* pres;
    InvertedListScannerStats stats;

    void add(float dis, idx_t id);
};

/// The results of one thread's queries; all threads' make a RangeSearchResult.
struct RangeSearchPartialResult : BufferList {
    RangeSearchResult* res;
    std::vector<RangeQueryResult> queries;

    explicit RangeSearchPartialResult(RangeSearchResult* res_in);

    /// valid until the next one
    RangeQueryResult& new_result(idx_t qno);
    /// to be called by all threads, inside the parallel region
    void finalize();
    void set_lims();
    void copy_result(bool incremental = false);
    static void merge(
            std::vector<RangeSearchPartialResult*>& partial_results,
            bool do_delete = true);
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
