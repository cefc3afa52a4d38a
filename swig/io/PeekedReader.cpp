#include "io/PeekedReader.h"

#include <algorithm>
#include <cstring>

namespace faiss_bebr {

namespace {

/// @return  whether the source gives the last n bytes again
bool rewind(faiss::IOReader* source, size_t n) {
    if (auto* memory = dynamic_cast<faiss::VectorIOReader*>(source)) {
        memory->rp -= n;
        return true;
    }
    auto* file = dynamic_cast<faiss::FileIOReader*>(source);
    return file && std::fseek(file->f, -static_cast<long>(n), SEEK_CUR) == 0;
}

} // namespace

PeekedReader::PeekedReader(faiss::IOReader* source_in, size_t n)
        : source(source_in), first_bytes(n) {
    name = source->name;
    first_bytes.resize((*source)(first_bytes.data(), 1, n));
    was_rewound = rewind(source, first_bytes.size());
    given = was_rewound ? first_bytes.size() : 0;
}

size_t PeekedReader::operator()(void* ptr, size_t size, size_t nitems) {
    const size_t wanted = size * nitems;
    const size_t n = std::min(wanted, first_bytes.size() - given);
    std::memcpy(ptr, first_bytes.data() + given, n);
    given += n;
    size_t done = n;
    if (n < wanted) {
        done += (*source)(static_cast<char*>(ptr) + n, 1, wanted - n);
    }
    return size == 0 ? 0 : done / size;
}

} // namespace faiss_bebr
