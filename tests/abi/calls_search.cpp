// Calls between the declared interface and the wheel, in both directions; the
// functions are loaded by exercise_calls.py.

#include <faiss/IndexFlatCodes.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/ResultHandler.h>
#include <faiss/utils/simd_levels.h>

#include <cstdio>
#include <cstring>
#include <new>

using faiss::idx_t;

namespace {

int64_t ndestroyed = 0;

enum ComputerFunction {
    SET_QUERY,
    DISTANCE,
    DISTANCES_BATCH_4,
    SYMMETRIC_DIS,
    FUNCTION_COUNT,
};

int64_t ncalls[FUNCTION_COUNT] = {};

struct EvenSelector : faiss::IDSelector {
    bool is_member(idx_t id) const override {
        return id % 2 == 0;
    }
    ~EvenSelector() override {
        ndestroyed++;
    }
};

struct ConstantInterrupt : faiss::InterruptCallback {
    bool answer;

    explicit ConstantInterrupt(bool answer_in) : answer(answer_in) {}
    bool want_interrupt() override {
        return answer;
    }
    ~ConstantInterrupt() override {
        ndestroyed++;
    }
};

/// squared distances of float rows, counting who calls what
struct CountingComputer : faiss::FlatCodesDistanceComputer {
    size_t d;

    explicit CountingComputer(const faiss::IndexFlatCodes& storage)
            : FlatCodesDistanceComputer(
                      storage.codes.data(),
                      storage.code_size),
              d(storage.d) {}

    const float* row(idx_t i) const {
        return reinterpret_cast<const float*>(codes + i * code_size);
    }
    float distance(const float* x, const float* y) const {
        float sum = 0;
        for (size_t i = 0; i < d; i++) {
            sum += (x[i] - y[i]) * (x[i] - y[i]);
        }
        return sum;
    }
    void set_query(const float* x) override {
        count(SET_QUERY);
        q = x;
    }
    float operator()(idx_t i) override {
        count(DISTANCE);
        return distance(q, row(i));
    }
    void distances_batch_4(
            const idx_t idx0,
            const idx_t idx1,
            const idx_t idx2,
            const idx_t idx3,
            float& dis0,
            float& dis1,
            float& dis2,
            float& dis3) override {
        count(DISTANCES_BATCH_4);
        FlatCodesDistanceComputer::distances_batch_4(
                idx0, idx1, idx2, idx3, dis0, dis1, dis2, dis3);
    }
    float symmetric_dis(idx_t i, idx_t j) override {
        count(SYMMETRIC_DIS);
        return distance(row(i), row(j));
    }
    float distance_to_code(const uint8_t* code) override {
        return distance(q, reinterpret_cast<const float*>(code));
    }
    static void count(ComputerFunction function) {
#pragma omp atomic
        ncalls[function]++;
    }
};

struct CountingStorage : faiss::IndexFlatCodes {
    explicit CountingStorage(idx_t d) : IndexFlatCodes(d * sizeof(float), d) {}

    faiss::FlatCodesDistanceComputer* get_FlatCodesDistanceComputer()
            const override {
        return new CountingComputer(*this);
    }
    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override {
        std::memcpy(bytes, x, n * code_size);
    }
    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override {
        std::memcpy(x, bytes, n * code_size);
    }
    ~CountingStorage() override {
        ndestroyed++;
    }
};

/// keeps what it is told, and the smallest distance as the threshold
struct KeepingHandler : faiss::ResultHandler {
    idx_t size = 0;
    idx_t capacity;
    float* distances;
    idx_t* labels;

    KeepingHandler(idx_t capacity_in, float* distances_in, idx_t* labels_in)
            : capacity(capacity_in),
              distances(distances_in),
              labels(labels_in) {}

    bool add_result(float dis, idx_t idx) override {
        if (size < capacity) {
            distances[size] = dis;
            labels[size] = idx;
        }
        size++;
        const bool changes = dis < threshold;
        if (changes) {
            threshold = dis;
        }
        return changes;
    }
};

} // namespace

extern "C" {

int64_t get_destroyed_count() {
    return ndestroyed;
}

const int64_t* get_call_counts() {
    return ncalls;
}

bool is_member(const faiss::IDSelector* selector, idx_t id) {
    return selector->is_member(id);
}

/// puts our selector where FAISS has one of its own
void become_even_selector(faiss::IDSelector* selector) {
    selector->~IDSelector();
    new (selector) EvenSelector;
}

void destroy_selector(faiss::IDSelector* selector) {
    delete selector;
}

void destroy_parameters(faiss::SearchParameters* parameters) {
    delete parameters;
}

/// searches with parameters that are made here
void search_selected(
        const faiss::Index* index,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels) {
    EvenSelector selector;
    faiss::SearchParameters parameters;
    parameters.sel = &selector;
    index->search(1, x, k, distances, labels, &parameters);
}

void compute_distances(
        const faiss::Index* index,
        const float* x,
        const idx_t* four_ids,
        float* four_distances,
        float* four_batched,
        float* symmetric) {
    faiss::DistanceComputer* computer = index->get_distance_computer();
    computer->set_query(x);
    for (int i = 0; i < 4; i++) {
        four_distances[i] = (*computer)(four_ids[i]);
    }
    computer->distances_batch_4(
            four_ids[0],
            four_ids[1],
            four_ids[2],
            four_ids[3],
            four_batched[0],
            four_batched[1],
            four_batched[2],
            four_batched[3]);
    *symmetric = computer->symmetric_dis(four_ids[0], four_ids[1]);
    delete computer;
}

/// out: distances one by one, by four, products one by one, by four; of the
/// components from offset on
void compute_flat_distances(
        const faiss::IndexFlatCodes* index,
        const float* x,
        const idx_t* ids,
        uint32_t offset,
        uint32_t ncomponents,
        float* out) {
    faiss::FlatCodesDistanceComputer* computer =
            index->get_FlatCodesDistanceComputer();
    computer->set_query(x);
    const uint8_t* codes[4];
    for (int i = 0; i < 4; i++) {
        codes[i] = index->codes.data() + ids[i] * index->code_size;
        out[i] = computer->distance_to_code(codes[i]);
        out[8 + i] = computer->partial_dot_product(ids[i], offset, ncomponents);
    }
    computer->distance_to_code_batch_4(
            codes[0],
            codes[1],
            codes[2],
            codes[3],
            out[4],
            out[5],
            out[6],
            out[7]);
    computer->partial_dot_product_batch_4(
            ids[0],
            ids[1],
            ids[2],
            ids[3],
            out[12],
            out[13],
            out[14],
            out[15],
            offset,
            ncomponents);
    delete computer;
}

void become_counting_storage(faiss::IndexFlatCodes* index, idx_t d) {
    index->~IndexFlatCodes();
    new (index) CountingStorage(d);
}

/// returns how many results came in
idx_t search_one(
        const faiss::Index* index,
        const float* x,
        float threshold,
        idx_t capacity,
        float* distances,
        idx_t* labels,
        size_t* scan_cnt,
        size_t* nheap_updates) {
    KeepingHandler handler(capacity, distances, labels);
    handler.threshold = threshold;
    index->search1(x, handler);
    *scan_cnt = handler.stats.scan_cnt;
    *nheap_updates = handler.stats.nheap_updates;
    return handler.size;
}

bool want_interrupt(faiss::InterruptCallback* callback) {
    return callback->want_interrupt();
}

void install_interrupt(bool answer) {
    faiss::InterruptCallback::instance.reset(new ConstantInterrupt(answer));
}

bool is_interrupted() {
    return faiss::InterruptCallback::is_interrupted();
}

void clear_interrupt() {
    faiss::InterruptCallback::clear_instance();
}

/// the text and the field of the exception that a search with foreign
/// parameters makes
void catch_exception(
        const faiss::Index* index,
        const float* x,
        char* what,
        char* msg,
        size_t size) {
    faiss::SearchParameters parameters;
    float distance;
    idx_t label;
    try {
        index->search(1, x, 1, &distance, &label, &parameters);
    } catch (const faiss::FaissException& e) {
        std::snprintf(what, size, "%s", e.what());
        std::snprintf(msg, size, "%s", e.msg.c_str());
    }
}

int get_simd_level() {
    return static_cast<int>(faiss::SIMDConfig::get_level());
}

void destroy_owner(faiss::MaybeOwnedVectorOwner* owner) {
    delete owner;
}

} // extern "C"
