// One class per declared FAISS class with virtual functions, derived from it,
// so that the compiler lays out its virtual table. Only read, never run. The
// declared headers are all included on the command line.

namespace abi_probe {

using faiss::idx_t;

// Pure functions have to be overridden; nothing else is, so that each other
// slot holds FAISS's function.

struct Index : faiss::Index {
    void add(idx_t, const float*) override {}
    void search(
            idx_t,
            const float*,
            idx_t,
            float*,
            idx_t*,
            const faiss::SearchParameters*) const override {}
    void reset() override {}
};

struct IndexFlatCodes : faiss::IndexFlatCodes {};

struct IndexBinary : faiss::IndexBinary {
    void add(idx_t, const uint8_t*) override {}
    void search(
            idx_t,
            const uint8_t*,
            idx_t,
            int32_t*,
            idx_t*,
            const faiss::SearchParameters*) const override {}
    void reset() override {}
};

struct VectorTransform : faiss::VectorTransform {
    void apply_noalloc(idx_t, const float*, float*) const override {}
    void check_identical(const faiss::VectorTransform&) const override {}
};

struct RangeSearchResult : faiss::RangeSearchResult {
    RangeSearchResult() : faiss::RangeSearchResult(1) {}
};

struct SearchParameters : faiss::SearchParameters {};

struct IDSelector : faiss::IDSelector {
    bool is_member(idx_t) const override {
        return false;
    }
};

struct InterruptCallback : faiss::InterruptCallback {
    bool want_interrupt() override {
        return false;
    }
};

struct MaybeOwnedVectorOwner : faiss::MaybeOwnedVectorOwner {};

struct FaissException : faiss::FaissException {
    FaissException() : faiss::FaissException("") {}
};

struct ResultHandler : faiss::ResultHandler {
    bool add_result(float, idx_t) override {
        return false;
    }
};

struct DistanceComputer : faiss::DistanceComputer {
    void set_query(const float*) override {}
    float operator()(idx_t) override {
        return 0;
    }
    float symmetric_dis(idx_t, idx_t) override {
        return 0;
    }
};

struct FlatCodesDistanceComputer : faiss::FlatCodesDistanceComputer {
    void set_query(const float*) override {}
    float symmetric_dis(idx_t, idx_t) override {
        return 0;
    }
    float distance_to_code(const uint8_t*) override {
        return 0;
    }
};

template <typename... Classes>
void construct_all() {
    (void)(new Classes, ...);
}

// the tables are written where an object is constructed
void write_tables() {
    construct_all<
            Index,
            IndexFlatCodes,
            IndexBinary,
            VectorTransform,
            RangeSearchResult,
            SearchParameters,
            IDSelector,
            InterruptCallback,
            MaybeOwnedVectorOwner,
            FaissException,
            ResultHandler,
            DistanceComputer,
            FlatCodesDistanceComputer>();
}

// else the debug information lacks the type of this static field
constexpr size_t size_of_instance = sizeof(faiss::InterruptCallback::instance);

} // namespace abi_probe
