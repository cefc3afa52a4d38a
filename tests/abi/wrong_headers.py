"""Deliberately wrong declarations, on which the checks have to fail.

Each entry is one wrong copy of the declared headers, wrong in several classes
at once as compiling takes its time; which of them a check has to report, and
no others, is with the check. A change is a file, its text and the wrong text.
"""

from __future__ import annotations

Change = tuple[str, str, str]

WRONG_HEADERS: dict[str, tuple[Change, ...]] = {
    "order": (
        (
            "Index.h",
            "virtual DistanceComputer* get_distance_computer() const;\n"
            "    virtual size_t sa_code_size() const;",
            "virtual size_t sa_code_size() const;\n"
            "    virtual DistanceComputer* get_distance_computer() const;",
        ),
        (
            "Index.h",
            "    bool verbose;\n    bool is_trained;\n",
            "    bool is_trained;\n    bool verbose;\n",
        ),
        # of the second table of IndexIVF
        ("IndexIVF.h", "    virtual ~IndexIVFInterface() {}\n", ""),
        (
            "IndexIVF.h",
            "    /// with store_pairs, labels are those of lo_build\n",
            "    virtual ~IndexIVFInterface() {}\n",
        ),
        # train_ex, which is inline, is before add
        ("IndexBinary.h", "    virtual void add(idx_t n, const uint8_t* x) = 0;\n", ""),
        (
            "IndexBinary.h",
            "    virtual void train_ex(",
            "    virtual void add(idx_t n, const uint8_t* x) = 0;\n"
            "    virtual void train_ex(",
        ),
        (
            "impl/AuxIndexStructures.h",
            "virtual void do_allocation();\n    virtual ~RangeSearchResult();",
            "virtual ~RangeSearchResult();\n    virtual void do_allocation();",
        ),
        (
            "impl/AuxIndexStructures.h",
            "    idx_t* labels;\n    float* distances;\n",
            "    float* distances;\n    idx_t* labels;\n",
        ),
        (
            "impl/DistanceComputer.h",
            "virtual void set_query(const float* x) = 0;\n"
            "    virtual float operator()(idx_t i) = 0;",
            "virtual float operator()(idx_t i) = 0;\n"
            "    virtual void set_query(const float* x) = 0;",
        ),
        (
            "impl/maybe_owned_vector.h",
            "    T* view_data = nullptr;\n    size_t view_size = 0;\n",
            "    size_t view_size = 0;\n    T* view_data = nullptr;\n",
        ),
    ),
    "type": (
        (
            "IndexFlatCodes.h",
            "    void permute_entries",
            "    virtual void permute_entries",
        ),
        ("IndexFlatCodes.h", "    size_t code_size;", "    double code_size;"),
        ("IndexBinary.h", "uint8_t* recons,\n", "int32_t* recons,\n"),
        ("IndexBinary.h", "    idx_t ntotal = 0;", "    size_t ntotal = 0;"),
        (
            "VectorTransform.h",
            "reverse_transform(idx_t n, const float* xt, float* x) const;",
            "reverse_transform(idx_t, const float*, float*) const {}",
        ),
        (
            "VectorTransform.h",
            "struct VectorTransform {",
            "struct Padding { int padding; };\nstruct VectorTransform : Padding {",
        ),
        ("impl/AuxIndexStructures.h", "virtual ~InterruptCallback() {}", ""),
        (
            "impl/AuxIndexStructures.h",
            "float* distances;\n    size_t buffer_size;",
            "float* distances;\n    double buffer_size;",
        ),
        ("Clustering.h", "    int seed = 1234;", "    float seed = 1234;"),
    ),
    "one more": (
        (
            "VectorTransform.h",
            "virtual ~VectorTransform() {}",
            "virtual ~VectorTransform() {}\n    virtual void one_more() {}",
        ),
        # in what was padding, so that sizeof stays the same
        (
            "VectorTransform.h",
            "    bool is_trained;\n",
            "    bool is_trained;\n    bool one_more_field;\n",
        ),
        (
            "impl/ResultHandler.h",
            "virtual bool add_result(T dis, TI idx) = 0;",
            "virtual bool add_result(T dis, TI idx) = 0;\n    virtual void end() {}",
        ),
        ("Index.h", "float metric_arg;\n", "float metric_arg;\n    int one_more;\n"),
        (
            "IndexBinary.h",
            "MetricType metric_type = METRIC_L2;\n",
            "MetricType metric_type = METRIC_L2;\n    bool one_more;\n",
        ),
        (
            "impl/AuxIndexStructures.h",
            "    size_t buffer_size;\n\n    explicit RangeSearchResult",
            "    size_t buffer_size;\n    size_t one_more;\n"
            "    explicit RangeSearchResult",
        ),
        (
            "impl/IDSelector.h",
            "    virtual ~IDSelector() {}\n",
            "    virtual ~IDSelector() {}\n    bool one_more;\n",
        ),
        (
            "impl/FaissException.h",
            "    std::string msg;\n",
            "    std::string msg;\n    int one_more;\n",
        ),
        (
            "impl/InvertedListScannerStats.h",
            "    size_t nheap_updates = 0;\n",
            "    size_t nheap_updates = 0;\n    size_t one_more = 0;\n",
        ),
        (
            "impl/DistanceComputer.h",
            "    const float* q = nullptr;\n",
            "    bool one_more = false;\n    const float* q = nullptr;\n",
        ),
    ),
    "one less": (
        (
            "IndexBinary.h",
            "    virtual void reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons) const;"
            "\n",
            "",
        ),
        ("IndexBinary.h", "    MetricType metric_type = METRIC_L2;\n", ""),
        (
            "Index.h",
            "              metric_type(metric),\n              metric_arg(0) {}",
            "              metric_type(metric) {}",
        ),
        ("Index.h", "    float metric_arg;\n", ""),
        ("Index.h", "    IDSelector* sel = nullptr;\n", ""),
        (
            "impl/AuxIndexStructures.h",
            "    size_t buffer_size;\n\n    explicit RangeSearchResult",
            "    explicit RangeSearchResult",
        ),
        ("impl/maybe_owned_vector.h", "    size_t view_size = 0;\n", ""),
        ("impl/maybe_owned_vector.h", "view_size(other.view_size),", ""),
        ("impl/maybe_owned_vector.h", "            view_size = other.view_size;\n", ""),
        ("impl/maybe_owned_vector.h", ": view_size;", ": 0;"),
        (
            "impl/maybe_owned_vector.h",
            "        std::swap(view_size, other.view_size);\n",
            "",
        ),
    ),
    # lacks or has the fields that 1.15.1 added and took away
    "other version": (
        ("Clustering.h", "FAISS_VERSION_PATCH >= 1", "FAISS_VERSION_PATCH < 1"),
        ("impl/HNSW.h", "FAISS_VERSION_PATCH >= 1", "FAISS_VERSION_PATCH < 1"),
        ("IndexHNSW.h", "FAISS_VERSION_PATCH < 1", "FAISS_VERSION_PATCH >= 1"),
    ),
    # what is not in classes, and functions that are not virtual
    "functions": (
        ("IndexIVF.h", "make_direct_map(bool new_", "make_direct_map(int new_"),
        # in neither the library nor the header
        (
            "IndexIVF.h",
            "    virtual ~IndexIVFInterface() {}\n",
            "    virtual ~IndexIVFInterface() {}\n    void train_encoder();\n",
        ),
        # in both
        ("IndexIVF.h", "    void reset();\n", "    void reset() {}\n"),
        ("IndexIDMap.h", "construct_rev_map();", "construct_rev_map(idx_t n);"),
        (
            "index_io.h",
            "read_index(IOReader* reader, int io_flags",
            "read_index(IOReader* reader, long io_flags",
        ),
        (
            "index_io.h",
            "Index* read_index(FILE*",
            "void write_flat_index(const Index* idx);\nIndex* read_index(FILE*",
        ),
        ("index_io.h", "IO_FLAG_READ_ONLY = 2", "IO_FLAG_READ_ONLY = 1"),
        (
            "IndexIVF.h",
            "extern IndexIVFStats indexIVF_stats;",
            "extern bool one_more_flag;\nextern IndexIVFStats* indexIVF_stats;",
        ),
        (
            "invlists/InvertedLists.h",
            "INVALID_CODE_SIZE = static_cast<size_t>(-1)",
            "INVALID_CODE_SIZE = 0",
        ),
        (
            "invlists/DirectMap.h",
            "        Hashtable,\n        DMT_count,\n",
            "        DMT_count,\n        Hashtable,\n",
        ),
        ("impl/approx_topk/approx_topk.h", "B8_D2 = 4", "B8_D2 = 5"),
        ("MetricType.h", "METRIC_Canberra = 20", "METRIC_Canberra = 5"),
    ),
    # what only calls can tell
    "calls: functions moved": (
        (
            "impl/IDSelector.h",
            "    virtual bool is_member(idx_t id) const = 0;\n"
            "    virtual ~IDSelector() {}\n",
            "    virtual ~IDSelector() {}\n"
            "    virtual bool is_member(idx_t id) const = 0;\n",
        ),
        (
            "impl/DistanceComputer.h",
            "    virtual float symmetric_dis(idx_t i, idx_t j) = 0;\n"
            "    virtual ~DistanceComputer() {}\n",
            "    virtual ~DistanceComputer() {}\n"
            "    virtual float symmetric_dis(idx_t i, idx_t j) = 0;\n",
        ),
        (
            "impl/ResultHandler.h",
            "    virtual bool add_result(T dis, TI idx) = 0;\n"
            "    virtual ~ResultHandlerUnordered() {}\n",
            "    virtual ~ResultHandlerUnordered() {}\n"
            "    virtual bool add_result(T dis, TI idx) = 0;\n",
        ),
        (
            "IndexIVF.h",
            "    virtual void set_query(const float* query_vector) = 0;\n"
            "    virtual void set_list(idx_t list_no, float coarse_dis);\n",
            "    virtual void set_list(idx_t list_no, float coarse_dis);\n"
            "    virtual void set_query(const float* query_vector) = 0;\n",
        ),
        (
            "invlists/InvertedLists.h",
            "    virtual std::pair<idx_t, const uint8_t*> get_id_and_codes() = 0;\n",
            "",
        ),
        (
            "invlists/InvertedLists.h",
            "    virtual void on_heap_changed(idx_t, idx_t) {}\n",
            "    virtual void on_heap_changed(idx_t, idx_t) {}\n"
            "    virtual std::pair<idx_t, const uint8_t*> get_id_and_codes() = 0;\n",
        ),
    ),
    "calls: a function inserted, fields swapped": (
        (
            "impl/DistanceComputer.h",
            "    virtual float distance_to_code(const uint8_t* code) = 0;\n",
            "    virtual float one_more() { return 0; }\n"
            "    virtual float distance_to_code(const uint8_t* code) = 0;\n",
        ),
        (
            "impl/ResultHandler.h",
            "    T threshold{};\n    InvertedListScannerStats stats;\n",
            "    InvertedListScannerStats stats;\n    T threshold{};\n",
        ),
        (
            "invlists/DirectMap.h",
            "    size_t ntotal;\n    size_t n;\n",
            "    size_t n;\n    size_t ntotal;\n",
        ),
        (
            "invlists/DirectMap.h",
            "    std::unordered_map<idx_t, idx_t> hashtable;\n",
            "    void* one_more;\n    std::unordered_map<idx_t, idx_t> hashtable;\n",
        ),
        (
            "IndexIDMap.h",
            "    std::unordered_map<idx_t, idx_t> rev_map;\n",
            "    void* one_more;\n    std::unordered_map<idx_t, idx_t> rev_map;\n",
        ),
        (
            "impl/ThreadedIndex.h",
            "    bool own_indices = false;\n",
            "    bool own_indices = false;\n    void* one_more;\n",
        ),
        (
            "impl/hnsw/LockVector.h",
            "    void* data_ = nullptr;\n    size_t size_ = 0;\n",
            "    size_t size_ = 0;\n    void* data_ = nullptr;\n",
        ),
    ),
}
