#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace faiss_bebr {

/** The best of all that were offered, by key and among equal keys by order,
 * where less is better. Of equal keys those that came first stay.
 */
struct BestCandidates {
    size_t size = 0;
    std::vector<float> keys;     ///< in order; size: the most that are kept
    std::vector<int32_t> orders; ///< of the same size
    std::vector<uint8_t> marks;  ///< likewise; 0 of one that is new

    explicit BestCandidates(size_t capacity)
            : keys(capacity), orders(capacity), marks(capacity) {}

    void clear() {
        size = 0;
    }

    /// false for NaN
    bool takes(float key) const {
        return size < keys.size() ? !std::isnan(key) : key < keys[size - 1];
    }

    /// one that it takes; returns its place
    size_t insert(float key, int32_t order) {
        size -= size == keys.size();
        size_t place = 0;
        // a branch for each would be missed more often than it saves
        for (size_t i = 0; i < size; i++) {
            place += keys[i] < key;
        }
        while (place < size && keys[place] == key && orders[place] < order) {
            place++;
        }
        open_gap(keys, place, key);
        open_gap(orders, place, order);
        open_gap(marks, place, uint8_t(0));
        size++;
        return place;
    }

   private:
    template <class T>
    void open_gap(std::vector<T>& values, size_t place, T value) {
        T* at = values.data() + place;
        std::memmove(at + 1, at, (size - place) * sizeof(T));
        *at = value;
    }
};

} // namespace faiss_bebr
