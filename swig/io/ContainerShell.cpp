#include "io/ContainerShell.h"

#include "indexes/SDCGraph.h"

#include <faiss/impl/FaissAssert.h>
#include <malloc.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

namespace faiss_bebr {

namespace {

using Chain = std::vector<faiss::VectorTransform*>;

constexpr size_t kAlignment = 64; // at least that of any class of FAISS's

/// the vector of transforms, whose elements would be those of the container
Chain* get_chain(faiss::Index* object) {
    auto* index = dynamic_cast<faiss::IndexPreTransform*>(object);
    return index ? &index->chain : nullptr;
}

Chain* get_chain(faiss::IndexBinary*) {
    return nullptr;
}

/// gives the shell of an SDCGraph the virtual table of its base
void set_class(faiss::Index* object) {
    static_assert(sizeof(SDCGraph) == sizeof(faiss::IndexHNSW));
    if (dynamic_cast<SDCGraph*>(object)) {
        static const faiss::IndexHNSW stock;
        std::memcpy(static_cast<void*>(object), &stock, sizeof(void*));
    }
}

void set_class(faiss::IndexBinary*) {}

} // namespace

template <class T>
ContainerShell<T>::ContainerShell(const T* container) {
    const void* start = dynamic_cast<const void*>(container);
    // the block may be larger than the object, whose class is not known here
    const size_t size = malloc_usable_size(const_cast<void*>(start));
    FAISS_THROW_IF_NOT_MSG(size >= sizeof(T), "the index is not on the heap");
    memory.reset(
            std::aligned_alloc(
                    kAlignment,
                    (size + kAlignment - 1) / kAlignment * kAlignment));
    if (!memory) {
        throw std::bad_alloc();
    }
    std::memcpy(memory.get(), start, size);
    const ptrdiff_t offset = reinterpret_cast<const char*>(container) -
            static_cast<const char*>(start);
    object = reinterpret_cast<T*>(static_cast<char*>(memory.get()) + offset);
    set_class(object);
    if (Chain* chain = get_chain(object)) {
        new (chain) Chain(*get_chain(const_cast<T*>(container)));
    }
}

template <class T>
ContainerShell<T>::~ContainerShell() {
    if (Chain* chain = get_chain(object)) {
        chain->~Chain();
    }
}

template struct ContainerShell<faiss::Index>;
template struct ContainerShell<faiss::IndexBinary>;

void set_transform(
        faiss::IndexPreTransform* index,
        size_t i,
        faiss::VectorTransform* transform) {
    FAISS_THROW_IF_NOT_FMT(
            i < index->chain.size(),
            "there are %zd transforms, no transform %zd",
            index->chain.size(),
            i);
    index->chain[i] = transform;
}

} // namespace faiss_bebr
