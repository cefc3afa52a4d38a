#include "io/mapped_vectors_io.h"

#include "io/MappedFile.h"
#include "io/fields.h"

#include <faiss/index_io.h>

#include <memory>
#include <string>
#include <vector>

namespace faiss_bebr {

using faiss::IOReader;
using faiss::IOWriter;

namespace {

/// name in the folder of the file that is read
std::string in_same_folder(const IOReader& f, const std::string& path) {
    FAISS_THROW_IF_NOT_MSG(
            dynamic_cast<const faiss::FileIOReader*>(&f),
            "IO_FLAG_ONDISK_SAME_DIR is for index files that are read by path");
    const size_t folder_end = f.name.find_last_of('/');
    const std::string folder = folder_end == std::string::npos
            ? ""
            : f.name.substr(0, folder_end + 1);
    return folder + path.substr(path.find_last_of('/') + 1);
}

} // namespace

void write_IndexMappedVectors(const IndexMappedVectors* index, IOWriter* f) {
    const auto& codes = index->vectors->codes;
    const auto* file = dynamic_cast<const MappedFile*>(codes.owner.get());
    FAISS_THROW_IF_NOT_MSG(file, "the vectors are in no file");
    const size_t number_size = index->vectors->code_size / index->d;
    write_number<uint16_t>(*f, file->path.size());
    write_array(*f, file->path.data(), file->path.size());
    // the file ends with the last vector
    write_number<uint64_t>(*f, file->size - codes.size());
    write_number<idx_t>(*f, index->ntotal);
    write_number<int32_t>(*f, index->d);
    write_number<uint8_t>(*f, number_size == sizeof(float));
    write_number<int32_t>(*f, index->metric_type);
}

IndexMappedVectors* read_IndexMappedVectors(IOReader* f, int io_flags) {
    const auto length = read_number<uint16_t>(*f);
    const std::vector<char> characters = read_array<char>(*f, length);
    std::string path(characters.begin(), characters.end());
    FAISS_THROW_IF_NOT_MSG(
            path.find('\0') == std::string::npos,
            "the index file is corrupted: a path with zeros");
    if (io_flags & faiss::IO_FLAG_ONDISK_SAME_DIR) {
        path = in_same_folder(*f, path);
    }
    const auto offset = read_number<uint64_t>(*f);
    const auto n = read_number<idx_t>(*f);
    const auto d = read_number_in<int32_t>(*f, "d", 1, 1 << 20);
    const bool is_float32 = read_bool(*f, "the type of numbers");
    const auto metric = static_cast<faiss::MetricType>(read_number_in<int32_t>(
            *f, "the metric", faiss::METRIC_INNER_PRODUCT, faiss::METRIC_L2));
    return new IndexMappedVectors(
            path.c_str(),
            offset,
            n,
            d,
            is_float32 ? faiss::Float32 : faiss::Float16,
            metric);
}

} // namespace faiss_bebr
