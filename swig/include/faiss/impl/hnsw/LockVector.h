// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <cstddef>

namespace faiss {

/// One lock for each vector while a graph is built.
class LockVector {
   public:
    LockVector() = default;
    /// locks are not copied
    LockVector(const LockVector&) : LockVector() {}
    LockVector& operator=(const LockVector&) = delete;
    ~LockVector() {
        clear();
    }

    size_t size() const {
        return size_;
    }
    void prepare(size_t new_size);
    void clear();

   private:
    void* data_ = nullptr;
    size_t size_ = 0;
    size_t capacity_ = 0;
};

} // namespace faiss
