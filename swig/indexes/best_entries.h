#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace faiss_bebr {

/** The k best of the entries seen, k > 0. Entries are compared by <, the
 * better one is less, so with a total order the result does not depend on the
 * order in which they come.
 */
template <class Entry>
struct BestEntries {
    size_t k = 0;
    std::vector<Entry> heap; ///< the worst one first

    bool is_full() const {
        return heap.size() >= k;
    }
    const Entry& worst() const {
        return heap.front();
    }
    /// whether the entry is among the best now
    bool add(const Entry& entry) {
        if (!is_full()) {
            heap.push_back(entry);
        } else if (entry < worst()) {
            std::pop_heap(heap.begin(), heap.end());
            heap.back() = entry;
        } else {
            return false;
        }
        std::push_heap(heap.begin(), heap.end());
        return true;
    }
    void merge(const BestEntries& other) {
        for (const Entry& entry : other.heap) {
            add(entry);
        }
    }
    /// the best first; nothing can be added any more
    void sort() {
        std::sort_heap(heap.begin(), heap.end());
    }
};

} // namespace faiss_bebr
