#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace faiss_bebr {

/// integers in the order of keys
inline int32_t get_rank_of_key(int32_t key) {
    return key;
}

inline int32_t get_rank_of_key(float key) {
    const float without_sign_of_zero = key + 0.0f;
    int32_t bits;
    std::memcpy(&bits, &without_sign_of_zero, sizeof(bits));
    return bits ^ ((bits >> 31) & 0x7fffffff);
}

/** A number that k of the values do not exceed, or more where some are equal.
 * Counting takes less time than std::nth_element(), whose branches a processor
 * does not foresee.
 */
inline int32_t find_cut(const std::vector<int32_t>& values, size_t k) {
    int32_t least = values[0], most = values[0];
    for (int32_t value : values) {
        least = std::min(least, value);
        most = std::max(most, value);
    }
    int64_t low = least, high = most;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const auto cut = static_cast<int32_t>(middle);
        int32_t count = 0;
        for (int32_t value : values) {
            count += value <= cut;
        }
        if (size_t(count) == k) {
            return cut;
        }
        if (size_t(count) > k) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return static_cast<int32_t>(high);
}

/** The k best of the entries seen, k > 0. Entries have a key, and are compared
 * by <, by their keys first; the better one is less, so with a total order the
 * result does not depend on the order in which they come.
 *
 * A few are kept in a heap; of many, up to twice k are gathered before the
 * worse ones are dropped, which takes less time for each of them.
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
    /// worst() becomes that of about the k best so far, where that takes little
    /// time for each entry since the last time
    void tighten() {
        const size_t enough = std::max<size_t>(k / 4, 8);
        if (entries.size() >= k + enough) {
            drop_worse();
        }
    }
    /// whether the entry may be among the best now
    bool add(const Entry& entry) {
        if (!is_full()) {
            entries.push_back(entry);
            if (is_full()) {
                uses_heap() ? std::make_heap(entries.begin(), entries.end())
                            : move_worst(get_ranks(entries));
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
        return k < 20;
    }
    /// valid until the next call of the thread
    static std::vector<int32_t>& get_ranks(const std::vector<Entry>& entries) {
        static thread_local std::vector<int32_t> ranks;
        ranks.resize(entries.size());
        for (size_t i = 0; i < ranks.size(); i++) {
            ranks[i] = get_rank_of_key(entries[i].key);
        }
        return ranks;
    }
    /// of k entries; @param ranks  theirs, of which there may be more
    void move_worst(const std::vector<int32_t>& ranks) {
        int32_t most = ranks[0];
        for (size_t i = 0; i < k; i++) {
            most = std::max(most, ranks[i]);
        }
        size_t place = k;
        for (size_t i = 0; i < k; i++) {
            if (ranks[i] == most &&
                (place == k || entries[place] < entries[i])) {
                place = i;
            }
        }
        std::swap(entries[place], entries[k - 1]);
    }
    void drop_worse() {
        std::vector<int32_t>& ranks = get_ranks(entries);
        const int32_t cut = find_cut(ranks, k);
        size_t kept = 0;
        for (size_t i = 0; i < ranks.size(); i++) {
            entries[kept] = entries[i];
            const int32_t rank = ranks[i];
            ranks[kept] = rank;
            kept += rank <= cut;
        }
        entries.resize(kept);
        if (kept == k) {
            move_worst(ranks);
            return;
        }
        // of those with the key of the worst, not all
        const auto ties = std::partition(
                entries.begin(), entries.end(), [cut](const Entry& entry) {
                    return get_rank_of_key(entry.key) < cut;
                });
        std::nth_element(ties, entries.begin() + (k - 1), entries.end());
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
