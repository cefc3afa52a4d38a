// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/impl/FaissAssert.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace faiss {

struct MaybeOwnedVectorOwner {
    virtual ~MaybeOwnedVectorOwner() = default;
};

/// Either a std::vector or a view of memory that someone else owns (a mapped
/// file). c_ptr and c_size always say where the data is.
template <typename T>
struct MaybeOwnedVector {
    bool is_owned = true;
    std::vector<T> owned_data;
    T* view_data = nullptr;
    size_t view_size = 0;
    std::shared_ptr<MaybeOwnedVectorOwner> owner;
    T* c_ptr = nullptr;
    size_t c_size = 0;

    MaybeOwnedVector() = default;

    MaybeOwnedVector(const MaybeOwnedVector& other)
            : is_owned(other.is_owned),
              owned_data(other.owned_data),
              view_data(other.view_data),
              view_size(other.view_size),
              owner(other.owner) {
        point_to_data();
    }

    MaybeOwnedVector& operator=(const MaybeOwnedVector& other) {
        if (this != &other) {
            is_owned = other.is_owned;
            owned_data = other.owned_data;
            view_data = other.view_data;
            view_size = other.view_size;
            owner = other.owner;
            point_to_data();
        }
        return *this;
    }

    MaybeOwnedVector(MaybeOwnedVector&& other) noexcept : MaybeOwnedVector() {
        swap(other);
    }

    MaybeOwnedVector& operator=(MaybeOwnedVector&& other) noexcept {
        swap(other);
        return *this;
    }

    static MaybeOwnedVector create_view(
            void* address,
            size_t n_elements,
            const std::shared_ptr<MaybeOwnedVectorOwner>& owner) {
        MaybeOwnedVector view;
        view.is_owned = false;
        view.view_data = static_cast<T*>(address);
        view.view_size = n_elements;
        view.owner = owner;
        view.point_to_data();
        return view;
    }

    const T* data() const {
        return c_ptr;
    }
    T* data() {
        return c_ptr;
    }
    size_t size() const {
        return c_size;
    }

    void resize(size_t new_size) {
        if (!is_owned) {
            FAISS_THROW_MSG("cannot resize a view of a vector");
        }
        owned_data.resize(new_size);
        point_to_data();
    }

   private:
    void swap(MaybeOwnedVector& other) noexcept {
        std::swap(is_owned, other.is_owned);
        owned_data.swap(other.owned_data);
        std::swap(view_data, other.view_data);
        std::swap(view_size, other.view_size);
        owner.swap(other.owner);
        std::swap(c_ptr, other.c_ptr);
        std::swap(c_size, other.c_size);
    }
    void point_to_data() {
        c_ptr = is_owned ? owned_data.data() : view_data;
        c_size = is_owned ? owned_data.size() : view_size;
    }
};

} // namespace faiss
