#pragma once

#include "codes/lane_sums.h"
#include "indexes/key_ranks.h"
#include "indexes/sort_entries.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** A number that k to `most` of the values do not exceed, or more where some
 * are equal: then it is the least that k do not exceed. Counting takes less
 * time than std::nth_element(), whose branches a processor does not foresee.
 * @param values  k or more, k > 0, and fewer than 2^31
 * @param most    k or more
 */
inline int32_t find_cut(
        const std::vector<int32_t>& values,
        size_t k,
        size_t most) {
    const size_t n = values.size();
    const int32_t largest = get_largest_in_lanes(
            n, values[0], [&](size_t i) { return values[i]; });
    if (n <= most) {
        return largest;
    }
    // which is the complement of the least
    const int32_t least = ~get_largest_in_lanes(
            n, ~values[0], [&](size_t i) { return ~values[i]; });
    int64_t low = least, high = largest;
    // how many are below low, less than k, and up to high, more than `most`
    size_t nlow = 0, nhigh = n;
    for (bool halves = false; low < high; halves = !halves) {
        // as if they were spread evenly, and every other time the middle, so
        // that it ends soon where they are not
        const double share = halves
                ? 0.5
                : (double(k + most) / 2 - double(nlow)) / double(nhigh - nlow);
        const int64_t cut = std::min(
                low + static_cast<int64_t>(double(high - low) * share),
                high - 1);
        int32_t count = 0;
        for (int32_t value : values) {
            count += value <= static_cast<int32_t>(cut);
        }
        if (size_t(count) < k) {
            low = cut + 1;
            nlow = count;
        } else if (size_t(count) > most) {
            high = cut;
            nhigh = count;
        } else {
            return static_cast<int32_t>(cut);
        }
    }
    return static_cast<int32_t>(high);
}

/** The k best of the entries seen, k > 0. Entries have a key, and are compared
 * by <, by their keys first; the better one is less, so with a total order the
 * result does not depend on the order in which they come.
 *
 * A few are kept in a heap; of many, up to twice k are gathered before the
 * worse ones are dropped, which takes less time for each of them. A few more
 * than k may be left then, as a cut is found sooner that need not leave k.
 */
template <class Entry>
struct BestEntries {
    using Key = decltype(Entry::key);

    size_t k = 0;

    bool is_full() const {
        return entries.size() >= k;
    }
    /// a key that those of new ones must not exceed, once it is full
    Key get_largest_key() const {
        return uses_heap() ? entries[0].key : largest_key;
    }
    /// get_largest_key() becomes that of about the k best so far, where that
    /// takes little time for each entry since the last time
    void tighten() {
        const size_t enough = std::max<size_t>(k / 4, 8);
        if (entries.size() >= k + enough) {
            drop_worse(k + get_slack());
        }
    }
    /// whether the entry may be among the best now
    bool add(const Entry& entry) {
        if (!is_full()) {
            entries.push_back(entry);
            if (is_full()) {
                uses_heap() ? std::make_heap(entries.begin(), entries.end())
                            : drop_worse(k);
            }
            return true;
        }
        if (uses_heap()) {
            if (!(entry < entries[0])) {
                return false;
            }
            replace_worst(entry);
            return true;
        }
        // one that has it may be better than others that have
        if (largest_key < entry.key) {
            return false;
        }
        entries.push_back(entry);
        if (entries.size() == 2 * k) {
            drop_worse(k + get_slack());
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
            drop_worse(k);
        }
        sort_entries(entries);
        return entries;
    }

   private:
    std::vector<Entry> entries; ///< a heap with the worst first, or unordered
    Key largest_key = Key(); ///< that is left, or a little more; without a heap

    bool uses_heap() const {
        return k < 20;
    }
    size_t get_slack() const {
        return k / 8;
    }
    /// to k, or up to `most`
    void drop_worse(size_t most) {
        // a thread keeps the memory
        static thread_local std::vector<int32_t> ranks;
        ranks.resize(entries.size());
        for (size_t i = 0; i < ranks.size(); i++) {
            ranks[i] = get_rank_of_key(entries[i].key);
        }
        const int32_t cut = find_cut(ranks, k, most);
        size_t kept = 0;
        for (size_t i = 0; i < ranks.size(); i++) {
            entries[kept] = entries[i];
            kept += ranks[i] <= cut;
        }
        entries.resize(kept);
        if (kept > most) {
            // of those with the key of the worst, not all
            const auto ties = std::partition(
                    entries.begin(), entries.end(), [cut](const Entry& entry) {
                        return get_rank_of_key(entry.key) < cut;
                    });
            std::nth_element(ties, entries.begin() + (k - 1), entries.end());
            entries.resize(k);
        }
        largest_key = get_key_of_rank(cut, Key());
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
