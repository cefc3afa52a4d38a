#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace faiss_bebr {

/** The k best of the entries seen, k > 0. Entries are compared by <, the
 * better one is less, so with a total order the result does not depend on the
 * order in which they come.
 *
 * A few are kept in a heap; of many, twice k are gathered before the worse half
 * is dropped, which takes less time for each of them.
 */
template <class Entry>
struct BestEntries {
    size_t k = 0;

    bool is_full() const {
        return entries.size() >= k;
    }
    /// an entry that new ones must be better than, once it is full
    const Entry& worst() const {
        return entries[uses_heap() ? 0 : k - 1];
    }
    /// whether the entry may be among the best now
    bool add(const Entry& entry) {
        if (!is_full()) {
            entries.push_back(entry);
            if (is_full()) {
                uses_heap() ? std::make_heap(entries.begin(), entries.end())
                            : drop_worse();
            }
            return true;
        }
        if (!(entry < worst())) {
            return false;
        }
        if (uses_heap()) {
            replace_worst(entry);
        } else {
            entries.push_back(entry);
            if (entries.size() == 2 * k) {
                drop_worse();
            }
        }
        return true;
    }
    void merge(const BestEntries& other) {
        for (const Entry& entry : other.entries) {
            add(entry);
        }
    }
    /// the entries, at most k, the best first; nothing can be added any more
    const std::vector<Entry>& sort() {
        if (entries.size() > k) {
            drop_worse();
        }
        std::sort(entries.begin(), entries.end());
        return entries;
    }

   private:
    /// a heap with the worst first, or the k-th best in its place
    std::vector<Entry> entries;

    bool uses_heap() const {
        return k < 100;
    }
    void drop_worse() {
        std::nth_element(
                entries.begin(), entries.begin() + (k - 1), entries.end());
        entries.resize(k);
    }
    void replace_worst(const Entry& entry) {
        size_t i = 0;
        for (size_t child = 1; child < k; child = 2 * i + 1) {
            if (child + 1 < k && entries[child] < entries[child + 1]) {
                child++;
            }
            if (!(entry < entries[child])) {
                break;
            }
            entries[i] = entries[child];
            i = child;
        }
        entries[i] = entry;
    }
};

} // namespace faiss_bebr
