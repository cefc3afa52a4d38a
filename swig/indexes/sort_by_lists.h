#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace faiss_bebr {

/** Probes in the order of their lists, and then as they were.
 * @param probes  with a list_no in 0 .. nlist - 1
 */
template <class Probe>
std::vector<Probe> sort_by_lists(
        size_t nlist,
        const std::vector<Probe>& probes) {
    std::vector<Probe> sorted(probes);
    // to sort a few takes less time than to count in all lists
    if (16 * probes.size() < nlist) {
        std::stable_sort(sorted.begin(), sorted.end(), [](auto& a, auto& b) {
            return a.list_no < b.list_no;
        });
        return sorted;
    }
    std::vector<size_t> begin(nlist + 1);
    for (const Probe& probe : probes) {
        begin[probe.list_no + 1]++;
    }
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    for (const Probe& probe : probes) {
        sorted[begin[probe.list_no]++] = probe;
    }
    return sorted;
}

} // namespace faiss_bebr
