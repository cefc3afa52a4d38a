#pragma once

#include <faiss/Index.h>
#include <faiss/IndexBinary.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/VectorTransform.h>

#include <cstdlib>
#include <memory>

namespace faiss_bebr {

/** A copy of a FAISS container's own memory, byte by byte: an object of the
 * same class that shares all that the container holds, whatever that class is.
 *
 * FAISS writes and clones its containers with all that is inside, but only its
 * own types. So parts of other types are exchanged before, and in a shell,
 * since other threads may search the container. It is for functions that only
 * read it, while the container exists, is not changed, and is a whole object
 * on the heap. It has no life of its own: no constructor has made it, and its
 * memory is given back without its destructor.
 *
 * FAISS writes and clones graphs of its own classes only, so that of an
 * SDCGraph is a faiss::IndexHNSW, which has the same fields.
 *
 * T is faiss::Index or faiss::IndexBinary.
 */
template <class T>
struct ContainerShell {
    explicit ContainerShell(const T* container);
    ~ContainerShell();
    ContainerShell(const ContainerShell&) = delete;
    ContainerShell& operator=(const ContainerShell&) = delete;

    T* get() const {
        return object;
    }

   private:
    struct Free {
        void operator()(void* memory) const {
            std::free(memory);
        }
    };

    std::unique_ptr<void, Free> memory;
    T* object = nullptr;
};

/// chain[i] of an IndexPreTransform; the old transform is not deleted
void set_transform(
        faiss::IndexPreTransform* index,
        size_t i,
        faiss::VectorTransform* transform);

} // namespace faiss_bebr
