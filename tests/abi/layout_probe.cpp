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

struct IndexIVFInterface : faiss::IndexIVFInterface {
    void search_preassigned(
            idx_t,
            const float*,
            idx_t,
            const idx_t*,
            const float*,
            float*,
            idx_t*,
            bool,
            const faiss::SearchParametersIVF*,
            faiss::IndexIVFStats*) const override {}
    void range_search_preassigned(
            idx_t,
            const float*,
            float,
            const idx_t*,
            const float*,
            faiss::RangeSearchResult*,
            bool,
            const faiss::SearchParametersIVF*,
            faiss::IndexIVFStats*) const override {}
};

struct IndexIVF : faiss::IndexIVF {
    void encode_vectors(idx_t, const float*, const idx_t*, uint8_t*, bool)
            const override {}
};

struct InvertedListScanner : faiss::InvertedListScanner {
    void set_query(const float*) override {}
    float distance_to_code(const uint8_t*) const override {
        return 0;
    }
};

struct InvertedLists : faiss::InvertedLists {
    InvertedLists() : faiss::InvertedLists(1, 1) {}
    size_t list_size(size_t) const override {
        return 0;
    }
    const uint8_t* get_codes(size_t) const override {
        return nullptr;
    }
    const idx_t* get_ids(size_t) const override {
        return nullptr;
    }
    size_t add_entries(size_t, size_t, const idx_t*, const uint8_t*) override {
        return 0;
    }
    void update_entries(size_t, size_t, size_t, const idx_t*, const uint8_t*)
            override {}
    void resize(size_t, size_t) override {}
};

struct ArrayInvertedLists : faiss::ArrayInvertedLists {
    ArrayInvertedLists() : faiss::ArrayInvertedLists(1, 1) {}
};

struct InvertedListsIterator : faiss::InvertedListsIterator {
    bool is_available() const override {
        return false;
    }
    void next() override {}
    std::pair<idx_t, const uint8_t*> get_id_and_codes() override {
        return {};
    }
};

struct IndexFlat : faiss::IndexFlat {};

struct IndexBinaryFlat : faiss::IndexBinaryFlat {};

struct IndexPreTransform : faiss::IndexPreTransform {};

struct IndexIDMap : faiss::IndexIDMap {};

struct IndexBinaryIDMap : faiss::IndexBinaryIDMap {};

struct IndexIDMap2 : faiss::IndexIDMap2 {};

struct IndexBinaryIDMap2 : faiss::IndexBinaryIDMap2 {};

struct IndexRefine : faiss::IndexRefine {};

struct IndexRefineFlat : faiss::IndexRefineFlat {};

struct IndexHNSW : faiss::IndexHNSW {};

struct Clustering : faiss::Clustering {
    Clustering() : faiss::Clustering(1, 1) {}
};

struct ParameterSpace : faiss::ParameterSpace {};

struct IOReader : faiss::IOReader {
    size_t operator()(void*, size_t, size_t) override {
        return 0;
    }
};

struct IOWriter : faiss::IOWriter {
    size_t operator()(const void*, size_t, size_t) override {
        return 0;
    }
};

struct VectorIOReader : faiss::VectorIOReader {};

struct VectorIOWriter : faiss::VectorIOWriter {};

struct FileIOReader : faiss::FileIOReader {
    FileIOReader() : faiss::FileIOReader("") {}
};

struct FileIOWriter : faiss::FileIOWriter {
    FileIOWriter() : faiss::FileIOWriter("") {}
};

struct BufferedIOReader : faiss::BufferedIOReader {
    BufferedIOReader() : faiss::BufferedIOReader(nullptr) {}
};

struct BufferedIOWriter : faiss::BufferedIOWriter {
    BufferedIOWriter() : faiss::BufferedIOWriter(nullptr) {}
};

struct IndexBinaryFromFloat : faiss::IndexBinaryFromFloat {};

struct RemapDimensionsTransform : faiss::RemapDimensionsTransform {};

struct ThreadedIndex : faiss::ThreadedIndex<faiss::Index> {
    ThreadedIndex() : faiss::ThreadedIndex<faiss::Index>(false) {}
    void add(idx_t, const float*) override {}
    void search(
            idx_t,
            const float*,
            idx_t,
            float*,
            idx_t*,
            const faiss::SearchParameters*) const override {}
};

struct ThreadedIndexBinary : faiss::ThreadedIndex<faiss::IndexBinary> {
    ThreadedIndexBinary() : faiss::ThreadedIndex<faiss::IndexBinary>(false) {}
    void add(idx_t, const uint8_t*) override {}
    void search(
            idx_t,
            const uint8_t*,
            idx_t,
            int32_t*,
            idx_t*,
            const faiss::SearchParameters*) const override {}
};

struct RangeSearchResult : faiss::RangeSearchResult {
    RangeSearchResult() : faiss::RangeSearchResult(1) {}
};

struct SearchParameters : faiss::SearchParameters {};

struct SearchParametersIVF : faiss::SearchParametersIVF {};

struct SearchParametersHNSW : faiss::SearchParametersHNSW {};

struct SearchParametersPreTransform : faiss::SearchParametersPreTransform {};

struct IndexRefineSearchParameters : faiss::IndexRefineSearchParameters {};

struct IDSelector : faiss::IDSelector {
    bool is_member(idx_t) const override {
        return false;
    }
};

struct IDSelectorArray : faiss::IDSelectorArray {
    IDSelectorArray() : faiss::IDSelectorArray(0, nullptr) {}
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
            IndexIVFInterface,
            IndexIVF,
            InvertedListScanner,
            InvertedLists,
            ArrayInvertedLists,
            InvertedListsIterator,
            IndexFlat,
            IndexBinaryFlat,
            IndexPreTransform,
            IndexIDMap,
            IndexBinaryIDMap,
            IndexIDMap2,
            IndexBinaryIDMap2,
            IndexRefine,
            IndexRefineFlat,
            IndexHNSW,
            IndexBinaryFromFloat,
            RemapDimensionsTransform,
            ThreadedIndex,
            ThreadedIndexBinary,
            Clustering,
            ParameterSpace,
            IOReader,
            IOWriter,
            VectorIOReader,
            VectorIOWriter,
            FileIOReader,
            FileIOWriter,
            BufferedIOReader,
            BufferedIOWriter,
            RangeSearchResult,
            SearchParameters,
            SearchParametersIVF,
            SearchParametersHNSW,
            SearchParametersPreTransform,
            IndexRefineSearchParameters,
            IDSelector,
            IDSelectorArray,
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
