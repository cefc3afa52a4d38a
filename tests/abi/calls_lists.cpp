// Calls between the declared interface and the wheel around inverted lists;
// loaded by exercise_lists.py.

#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVF.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/ResultHandler.h>
#include <faiss/impl/ThreadedIndex.h>
#include <faiss/impl/hnsw/LockVector.h>

#include <cfloat>
#include <cstring>
#include <memory>
#include <new>

using faiss::idx_t;
using faiss::InvertedLists;

namespace {

enum IteratorFunction {
    IS_AVAILABLE,
    NEXT,
    GET_ID_AND_CODES,
    ON_DISTANCE_COMPUTED,
    ON_HEAP_CHANGED,
    DESTRUCTOR,
    FUNCTION_COUNT,
};

int64_t ncalls[FUNCTION_COUNT] = {};

void count(IteratorFunction function) {
#pragma omp atomic
    ncalls[function]++;
}

/// squared distances of float rows
struct FloatScanner : faiss::InvertedListScanner {
    size_t d;
    const float* q = nullptr;

    FloatScanner(size_t d_in, bool store_pairs_in, const faiss::IDSelector* sel)
            : InvertedListScanner(store_pairs_in, sel), d(d_in) {
        code_size = d * sizeof(float);
    }
    void set_query(const float* query_vector) override {
        q = query_vector;
    }
    float distance_to_code(const uint8_t* code) const override {
        const float* row = reinterpret_cast<const float*>(code);
        float sum = 0;
        for (size_t i = 0; i < d; i++) {
            sum += (q[i] - row[i]) * (q[i] - row[i]);
        }
        return sum;
    }
};

/// adds no field, to fit where FAISS has one of its own
struct FloatIVF : faiss::IndexIVF {
    FloatIVF(faiss::Index* quantizer_in, size_t d_in, size_t nlist_in)
            : IndexIVF(quantizer_in, d_in, nlist_in, d_in * sizeof(float)) {
        by_residual = false;
    }
    void encode_vectors(
            idx_t n,
            const float* x,
            const idx_t* list_nos,
            uint8_t* codes,
            bool include_listno) const override {
        const size_t prefix = include_listno ? coarse_code_size() : 0;
        for (idx_t i = 0; i < n; i++) {
            uint8_t* code = codes + i * (prefix + code_size);
            if (include_listno) {
                encode_listno(list_nos[i], code);
            }
            std::memcpy(code + prefix, x + i * d, code_size);
        }
    }
    faiss::InvertedListScanner* get_InvertedListScanner(
            bool store_pairs,
            const faiss::IDSelector* sel,
            const faiss::IVFSearchParameters*) const override {
        return new FloatScanner(d, store_pairs, sel);
    }
    void reconstruct_from_offset(int64_t list_no, int64_t offset, float* recons)
            const override {
        InvertedLists::ScopedCodes code(invlists, list_no, offset);
        std::memcpy(recons, code.get(), code_size);
    }
};

struct CountingIterator : faiss::InvertedListsIterator {
    InvertedLists::ScopedIds ids;
    InvertedLists::ScopedCodes codes;
    size_t size;
    size_t i = 0;

    CountingIterator(const InvertedLists* lists, size_t list_no)
            : ids(lists, list_no),
              codes(lists, list_no),
              size(lists->list_size(list_no)) {
        has_search_callbacks_ = true;
    }
    ~CountingIterator() override {
        count(DESTRUCTOR);
    }
    bool is_available() const override {
        count(IS_AVAILABLE);
        return i < size;
    }
    void next() override {
        count(NEXT);
        i++;
    }
    std::pair<idx_t, const uint8_t*> get_id_and_codes() override {
        count(GET_ID_AND_CODES);
        return {ids[i], codes.get() + i * codes.il->code_size};
    }
    void on_distance_computed(idx_t, float) override {
        count(ON_DISTANCE_COMPUTED);
    }
    void on_heap_changed(idx_t, idx_t) override {
        count(ON_HEAP_CHANGED);
    }
};

/// another object's lists
struct ForwardingLists : InvertedLists {
    InvertedLists* lists;

    explicit ForwardingLists(InvertedLists* lists_in)
            : InvertedLists(lists_in->nlist, lists_in->code_size),
              lists(lists_in) {
        use_iterator = true;
    }
    size_t list_size(size_t list_no) const override {
        return lists->list_size(list_no);
    }
    const uint8_t* get_codes(size_t list_no) const override {
        return lists->get_codes(list_no);
    }
    const idx_t* get_ids(size_t list_no) const override {
        return lists->get_ids(list_no);
    }
    faiss::InvertedListsIterator* get_iterator(size_t list_no, void*)
            const override {
        return new CountingIterator(lists, list_no);
    }
    size_t add_entries(
            size_t list_no,
            size_t n_entry,
            const idx_t* ids,
            const uint8_t* code) override {
        return lists->add_entries(list_no, n_entry, ids, code);
    }
    void update_entries(
            size_t list_no,
            size_t offset,
            size_t n_entry,
            const idx_t* ids,
            const uint8_t* code) override {
        lists->update_entries(list_no, offset, n_entry, ids, code);
    }
    void resize(size_t list_no, size_t new_size) override {
        lists->resize(list_no, new_size);
    }
};

/// keeps all results, in order
struct FillingHandler : faiss::ResultHandler {
    float* distances;
    idx_t* labels;

    FillingHandler(float* distances_in, idx_t* labels_in, float threshold_in)
            : distances(distances_in), labels(labels_in) {
        threshold = threshold_in;
    }
    bool add_result(float dis, idx_t idx) override {
        *distances++ = dis;
        *labels++ = idx;
        return false;
    }
};

template <typename IndexT>
struct ThreadedAccess : faiss::ThreadedIndex<IndexT> {
    static bool is_threaded(const faiss::ThreadedIndex<IndexT>& index) {
        return index.*(&ThreadedAccess::isThreaded_);
    }
};

/// adds a part as FAISS does, and lists all
template <typename IndexT>
int add_part(
        IndexT* index,
        IndexT* part,
        const IndexT** parts,
        bool* is_threaded) {
    auto& group = dynamic_cast<faiss::ThreadedIndex<IndexT>&>(*index);
    group.addIndex(part);
    for (int i = 0; i < group.count(); i++) {
        parts[i] = group.at(i);
    }
    *is_threaded = ThreadedAccess<IndexT>::is_threaded(group);
    return group.count();
}

} // namespace

extern "C" {

int add_part_to_index(
        faiss::Index* index,
        faiss::Index* part,
        const faiss::Index** parts,
        bool* is_threaded) {
    return add_part(index, part, parts, is_threaded);
}

int add_part_to_binary_index(
        faiss::IndexBinary* index,
        faiss::IndexBinary* part,
        const faiss::IndexBinary** parts,
        bool* is_threaded) {
    return add_part(index, part, parts, is_threaded);
}

const int64_t* get_iterator_counts() {
    return ncalls;
}

/// puts our index where FAISS has one
void become_float_ivf(
        faiss::IndexIVF* index,
        faiss::Index* quantizer,
        size_t d,
        size_t nlist) {
    index->~IndexIVF();
    new (index) FloatIVF(quantizer, d, nlist);
}

/// puts our lists where FAISS has an ArrayInvertedLists
void become_forwarding_lists(InvertedLists* lists, InvertedLists* target) {
    static_assert(sizeof(ForwardingLists) <= sizeof(faiss::ArrayInvertedLists));
    lists->~InvertedLists();
    new (lists) ForwardingLists(target);
}

/// FAISS's scanner on one list: distances one by one, then through a handler,
/// then those of a range search; returns how many the range search found
int64_t scan_list(
        const faiss::IndexIVF* index,
        const float* x,
        size_t list_no,
        float radius,
        float* distances,
        float* handled_distances,
        idx_t* handled_labels,
        faiss::RangeSearchResult* range_result) {
    std::unique_ptr<faiss::InvertedListScanner> scanner(
            index->get_InvertedListScanner());
    scanner->set_query(x);
    scanner->set_list(list_no, 0);
    InvertedLists::ScopedIds ids(index->invlists, list_no);
    InvertedLists::ScopedCodes codes(index->invlists, list_no);
    const size_t n = index->get_list_size(list_no);
    for (size_t i = 0; i < n; i++) {
        distances[i] =
                scanner->distance_to_code(codes.get() + i * scanner->code_size);
    }
    FillingHandler handler(handled_distances, handled_labels, FLT_MAX);
    scanner->scan_codes(n, codes.get(), ids.get(), handler);
    faiss::RangeSearchPartialResult partial(range_result);
    faiss::RangeQueryResult& result = partial.new_result(0);
    scanner->scan_codes_range(n, codes.get(), ids.get(), radius, result);
    const size_t nres = result.nres;
    partial.finalize();
    return nres;
}

/// FAISS's scanner over FAISS's iterator, into a heap; returns how many were
/// visited
int64_t iterate_list(
        const faiss::IndexIVF* index,
        const float* x,
        size_t list_no,
        float* distances,
        idx_t* labels,
        size_t k) {
    std::unique_ptr<faiss::InvertedListScanner> scanner(
            index->get_InvertedListScanner());
    scanner->set_query(x);
    scanner->set_list(list_no, 0);
    std::unique_ptr<faiss::InvertedListsIterator> iterator(
            index->invlists->get_iterator(list_no));
    size_t nvisited;
    scanner->iterate_codes(iterator.get(), distances, labels, k, nvisited);
    return nvisited;
}

/// ids and codes of one list, by FAISS's iterator
void walk_list(
        const InvertedLists* lists,
        size_t list_no,
        idx_t* ids,
        uint8_t* codes) {
    std::unique_ptr<faiss::InvertedListsIterator> iterator(
            lists->get_iterator(list_no));
    for (; iterator->is_available(); iterator->next()) {
        const auto [id, code] = iterator->get_id_and_codes();
        iterator->on_distance_computed(id, 0);
        iterator->on_heap_changed(id, -1);
        *ids++ = id;
        std::memcpy(codes, code, lists->code_size);
        codes += lists->code_size;
    }
}

/// through the second base of IndexIVF
void search_by_interface(
        const faiss::IndexIVF* index,
        idx_t n,
        const float* x,
        idx_t k,
        const idx_t* assign,
        const float* centroid_distances,
        size_t nprobe,
        float* distances,
        idx_t* labels,
        float radius,
        faiss::RangeSearchResult* range_result,
        faiss::IndexIVFStats* stats) {
    const faiss::IndexIVFInterface* interface = index;
    faiss::IVFSearchParameters parameters;
    parameters.nprobe = nprobe;
    interface->search_preassigned(
            n,
            x,
            k,
            assign,
            centroid_distances,
            distances,
            labels,
            false,
            &parameters,
            stats);
    interface->range_search_preassigned(
            n,
            x,
            radius,
            assign,
            centroid_distances,
            range_result,
            false,
            &parameters);
}

size_t get_queries_of_all_searches() {
    return faiss::indexIVF_stats.nq;
}

bool get_expensive_check() {
    return faiss::check_compatible_for_merge_expensive_check;
}

/// adds entries to a map, entry i in list i % 3; fields: type, ntotal, n,
/// whether xids is as given, size of all_ofs
void add_to_direct_map(
        faiss::DirectMap* map,
        size_t n,
        const idx_t* xids,
        int64_t* fields) {
    faiss::DirectMapAdd adder(*map, n, xids);
    fields[0] = adder.type;
    fields[1] = adder.ntotal;
    fields[2] = adder.n;
    fields[3] = adder.xids == xids && &adder.direct_map == map;
    fields[4] = adder.all_ofs.size();
    for (size_t i = 0; i < n; i++) {
        adder.add(i, i % 3, i / 3);
    }
}

/// list and offset of an id, and how many ids the table has
void find_in_hashtable(const faiss::DirectMap* map, idx_t id, int64_t* found) {
    const uint64_t place = map->hashtable.at(id);
    found[0] = faiss::lo_listno(place);
    found[1] = faiss::lo_offset(place);
    found[2] = map->hashtable.size();
}

idx_t find_in_id_map(const faiss::IndexIDMap2* index, idx_t id) {
    return index->rev_map.at(id);
}

idx_t find_in_binary_id_map(const faiss::IndexBinaryIDMap2* index, idx_t id) {
    return index->rev_map.at(id);
}

/// sizes of a vector of locks when made, grown, and emptied
void make_locks(size_t n, size_t* sizes) {
    faiss::LockVector locks;
    sizes[0] = locks.size();
    locks.prepare(n);
    sizes[1] = locks.size();
    faiss::LockVector copy(locks);
    sizes[2] = copy.size();
    locks.clear();
    sizes[3] = locks.size();
}

} // extern "C"
