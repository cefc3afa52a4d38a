// Calls between the declared interface and the wheel around files, parameters
// and k-means; loaded by exercise_io.py.

#include <faiss/AutoTune.h>
#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexIVF.h>
#include <faiss/VectorTransform.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cstring>
#include <memory>

using faiss::idx_t;

namespace {

/// to memory, at most `capacity` bytes
struct LimitedWriter : faiss::IOWriter {
    std::vector<uint8_t> data;
    size_t capacity;

    explicit LimitedWriter(size_t capacity_in = SIZE_MAX)
            : capacity(capacity_in) {
        name = "a writer of ours";
    }
    size_t operator()(const void* ptr, size_t size, size_t nitems) override {
        if (data.size() + size * nitems > capacity) {
            return 0;
        }
        const uint8_t* bytes = static_cast<const uint8_t*>(ptr);
        data.insert(data.end(), bytes, bytes + size * nitems);
        return nitems;
    }
};

/// from memory
struct MemoryReader : faiss::IOReader {
    const uint8_t* next;

    explicit MemoryReader(const std::vector<uint8_t>& data)
            : next(data.data()) {
        name = "a reader of ours";
    }
    size_t operator()(void* ptr, size_t size, size_t nitems) override {
        std::memcpy(ptr, next, size * nitems);
        next += size * nitems;
        return nitems;
    }
};

struct RecordingSpace : faiss::ParameterSpace {
    std::string* record;
    explicit RecordingSpace(std::string* record_in) : record(record_in) {}

    void set_index_parameter(
            faiss::Index* index,
            const std::string& name,
            double val) const override {
        *record += name + "=" + std::to_string(int(val)) + ";";
        ParameterSpace::set_index_parameter(index, name, val);
    }
    void set_index_parameter(
            faiss::IndexBinary* index,
            const std::string& name,
            double val) const override {
        *record += "binary " + name + "=" + std::to_string(int(val)) + ";";
        ParameterSpace::set_index_parameter(index, name, val);
    }
    void initialize(const faiss::Index* index) override {
        ParameterSpace::initialize(index);
        add_range("one more").values = {1, 2.5};
    }
};

/// Writes something with our writer, reads it with our reader, and writes the
/// copy with FAISS's writer; returns the size if both are of one size.
template <typename T>
size_t copy_twice(
        const T* original,
        void (*write)(const T*, faiss::IOWriter*),
        T* (*read)(faiss::IOReader*),
        uint8_t* first,
        uint8_t* second) {
    LimitedWriter ours;
    write(original, &ours);
    MemoryReader reader(ours.data);
    std::unique_ptr<T> copy(read(&reader));
    faiss::VectorIOWriter theirs;
    write(copy.get(), &theirs);
    std::copy(ours.data.begin(), ours.data.end(), first);
    std::copy(theirs.data.begin(), theirs.data.end(), second);
    return ours.data.size() == theirs.data.size() ? ours.data.size() : 0;
}

} // namespace

extern "C" {

size_t copy_index(const faiss::Index* index, uint8_t* first, uint8_t* second) {
    return copy_twice<faiss::Index>(
            index,
            [](auto* original, auto* f) { faiss::write_index(original, f); },
            [](auto* f) { return faiss::read_index(f); },
            first,
            second);
}

size_t copy_index_binary(
        const faiss::IndexBinary* index,
        uint8_t* first,
        uint8_t* second) {
    return copy_twice<faiss::IndexBinary>(
            index,
            [](auto* original, auto* f) {
                faiss::write_index_binary(original, f);
            },
            [](auto* f) { return faiss::read_index_binary(f); },
            first,
            second);
}

size_t copy_transform(
        const faiss::VectorTransform* transform,
        uint8_t* first,
        uint8_t* second) {
    return copy_twice<faiss::VectorTransform>(
            transform,
            [](auto* original, auto* f) {
                faiss::write_VectorTransform(original, f);
            },
            [](auto* f) { return faiss::read_VectorTransform(f); },
            first,
            second);
}

size_t copy_lists(
        const faiss::InvertedLists* lists,
        uint8_t* first,
        uint8_t* second) {
    return copy_twice<faiss::InvertedLists>(
            lists,
            [](auto* original, auto* f) {
                faiss::write_InvertedLists(original, f);
            },
            [](auto* f) { return faiss::read_InvertedLists(f); },
            first,
            second);
}

/// the text of the exception when our writer takes no more than 10 bytes
void fail_to_write(const faiss::Index* index, char* text, size_t size) {
    LimitedWriter writer(10);
    try {
        faiss::write_index(index, &writer);
    } catch (const faiss::FaissException& e) {
        std::snprintf(text, size, "%s", e.what());
    }
}

/// writes a file and reads it, in blocks of 7 bytes; returns the number of
/// vectors, and the bytes that went through
idx_t copy_by_file(
        const faiss::Index* index,
        const char* fname,
        size_t* nwritten,
        size_t* nread) {
    {
        faiss::FileIOWriter file(fname);
        faiss::BufferedIOWriter writer(&file, 7);
        faiss::write_index(index, &writer);
        *nwritten = writer.ofs2;
    }
    faiss::FileIOReader file(fname);
    faiss::BufferedIOReader reader(&file, 7);
    std::unique_ptr<faiss::Index> copy(faiss::read_index(&reader));
    *nread = reader.ofs2;
    return copy->ntotal;
}

/// reads with mapped lists, returns the id at the place
idx_t read_mapped_id(const char* fname, size_t list_no, size_t offset) {
    faiss::FileIOReader reader(fname);
    std::unique_ptr<faiss::Index> index(
            faiss::read_index(&reader, faiss::IO_FLAG_MMAP));
    const auto* ivf = dynamic_cast<const faiss::IndexIVF*>(index.get());
    return ivf && !dynamic_cast<faiss::ArrayInvertedLists*>(ivf->invlists)
            ? ivf->invlists->get_single_id(list_no, offset)
            : -1;
}

/// through the base classes: the number of a file, what a reader without one
/// says, and how many of 5 items a reader of 3 has
void use_readers(
        const char* fname,
        int* descriptor,
        char* text,
        size_t size,
        size_t* nitems) {
    std::unique_ptr<faiss::IOReader> file =
            std::make_unique<faiss::FileIOReader>(fname);
    *descriptor = file->filedescriptor();
    faiss::VectorIOReader memory;
    memory.data = {1, 2, 3};
    faiss::IOReader& reader = memory;
    try {
        reader.filedescriptor();
    } catch (const faiss::FaissException& e) {
        std::snprintf(text, size, "%s", e.what());
    }
    uint8_t items[5];
    *nitems = reader(items, 1, 5);
}

uint32_t get_fourcc(const char* text) {
    const bool is_equal =
            faiss::fourcc(text) == faiss::fourcc(std::string(text));
    const bool is_inverse = faiss::fourcc_inv(faiss::fourcc(text)) == text;
    return is_equal && is_inverse ? faiss::fourcc(text) : 0;
}

/// sets parameters by our space, in an index of each kind
void set_parameters(
        faiss::Index* index,
        faiss::IndexBinary* binary_index,
        const char* parameters,
        char* record_out,
        size_t size) {
    std::string record;
    RecordingSpace space(&record);
    space.set_index_parameters(index, parameters);
    space.set_index_parameters(binary_index, parameters);
    std::snprintf(record_out, size, "%s", record.c_str());
}

/// the names and numbers of values of an index's parameters, by a space of
/// FAISS or one of ours
void describe_parameters(
        const faiss::Index* index,
        bool of_ours,
        char* names,
        size_t size) {
    std::string record;
    RecordingSpace ours(&record);
    faiss::ParameterSpace theirs;
    faiss::ParameterSpace& space = of_ours ? ours : theirs;
    space.initialize(index);
    std::string text;
    for (const faiss::ParameterRange& range : space.parameter_ranges) {
        text += range.name + ":" + std::to_string(range.values.size()) + ";";
    }
    text += std::to_string(space.n_combinations());
    std::snprintf(names, size, "%s", text.c_str());
}

/// centroids: (k, d), and the last iteration's objective
void run_kmeans(
        size_t d,
        size_t k,
        size_t n,
        const float* x,
        int niter,
        float* centroids,
        float* objective) {
    faiss::ClusteringParameters parameters;
    parameters.niter = niter;
    parameters.seed = 5;
    faiss::Clustering clustering(d, k, parameters);
    faiss::IndexFlat index(d);
    clustering.train(n, x, index);
    std::copy_n(clustering.centroids.data(), k * d, centroids);
    *objective = clustering.iteration_stats.back().obj;
}

} // extern "C"
