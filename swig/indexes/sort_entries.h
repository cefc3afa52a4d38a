#pragma once

#include "indexes/key_ranks.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace faiss_bebr {

/** Sorts by the ranks of keys, one byte after the other from the lowest on,
 * which has no branches that a processor could foresee wrongly.
 * @param words  ranks in their upper halves; their lower ones stay with them
 */
inline void sort_by_ranks(std::vector<uint64_t>& words) {
    constexpr int nbytes = 4, nvalues = 256;
    const auto get_byte = [](uint64_t word, int byte) {
        return (word >> (32 + 8 * byte)) % nvalues;
    };
    // how many words have a value, then where the next one of them goes
    uint32_t places[nbytes][nvalues] = {};
    for (uint64_t word : words) {
        for (int byte = 0; byte < nbytes; byte++) {
            places[byte][get_byte(word, byte)]++;
        }
    }
    static thread_local std::vector<uint64_t> sorted;
    sorted.resize(words.size());
    for (int byte = 0; byte < nbytes; byte++) {
        uint32_t begin = 0;
        for (uint32_t& place : places[byte]) {
            begin += std::exchange(place, begin);
        }
        for (uint64_t word : words) {
            sorted[places[byte][get_byte(word, byte)]++] = word;
        }
        words.swap(sorted);
    }
}

/// std::sort() of entries that are compared by their keys first, none of which
/// is NaN, and fewer than 2^32. A thread keeps the memory that it takes.
template <class Entry>
void sort_entries(std::vector<Entry>& entries) {
    constexpr size_t few = 64;
    const size_t n = entries.size();
    if (n < few) {
        std::sort(entries.begin(), entries.end());
        return;
    }
    static thread_local std::vector<uint64_t> words;
    static thread_local std::vector<Entry> sorted;
    words.resize(n);
    for (size_t i = 0; i < n; i++) {
        const auto rank =
                static_cast<uint32_t>(get_rank_of_key(entries[i].key));
        // as what is not negative
        words[i] = uint64_t(rank ^ 0x80000000) << 32 | i;
    }
    sort_by_ranks(words);
    sorted.clear();
    for (uint64_t word : words) {
        sorted.push_back(entries[static_cast<uint32_t>(word)]);
    }
    entries.swap(sorted);
    const auto differs = [](const Entry& a, const Entry& b) {
        return a.key != b.key;
    };
    for (auto begin = entries.begin(); begin < entries.end();) {
        // equal ones end before the first two that differ
        auto end = std::adjacent_find(begin, entries.end(), differs);
        end += end < entries.end();
        std::sort(begin, end);
        begin = end;
    }
}

} // namespace faiss_bebr
