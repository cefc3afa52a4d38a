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
            std::push_heap(heap.begin(), heap.end());
            return true;
        }
        if (!(entry < worst())) {
            return false;
        }
        replace_worst(entry);
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

   private:
    void replace_worst(const Entry& entry) {
        size_t i = 0;
        for (size_t child = 1; child < heap.size(); child = 2 * i + 1) {
            if (child + 1 < heap.size() && heap[child] < heap[child + 1]) {
                child++;
            }
            if (!(entry < heap[child])) {
                break;
            }
            heap[i] = heap[child];
            i = child;
        }
        heap[i] = entry;
    }
};

} // namespace faiss_bebr
