// The k best of some entries, against all of them sorted.

#include "check.h"
#include "indexes/best_entries.h"
#include "test_data.h"

#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <utility>

using faiss_bebr::BestEntries;
using faiss_bebr::find_cut;
using faiss_bebr::get_rank_of_key;
using test::Note;

template <class Key>
struct Entry {
    Key key;
    int id;

    bool operator<(const Entry& other) const {
        return std::pair(key, id) < std::pair(other.key, other.id);
    }
    bool operator==(const Entry& other) const {
        return key == other.key && id == other.id;
    }
};

TEST(ranks_are_in_the_order_of_keys) {
    const float smallest = std::numeric_limits<float>::denorm_min();
    const std::vector<float> keys = {
            -INFINITY,
            -FLT_MAX,
            -1.5f,
            -1.0f,
            -smallest,
            0.0f,
            smallest,
            1.0f,
            1.5f,
            FLT_MAX,
            INFINITY};
    for (size_t i = 1; i < keys.size(); i++) {
        CHECK(get_rank_of_key(keys[i - 1]) < get_rank_of_key(keys[i]));
    }
    CHECK_EQUAL(get_rank_of_key(-0.0f), get_rank_of_key(0.0f));
    CHECK_EQUAL(get_rank_of_key(INT_MIN), INT_MIN);
    CHECK_EQUAL(get_rank_of_key(INT_MAX), INT_MAX);
}

TEST(cuts_leave_k_values_or_ties) {
    test::Random random(1);
    for (int span : {0, 1, 30, INT_MAX}) {
        for (size_t n : {1, 2, 7, 64, 333}) {
            std::vector<int32_t> values(n);
            for (int32_t& value : values) {
                value = random.integer(-span, span);
            }
            values[n / 2] = INT_MIN;
            values[n - 1] = INT_MAX;
            std::vector<int32_t> sorted = values;
            std::sort(sorted.begin(), sorted.end());
            for (size_t k = 1; k <= n; k++) {
                const Note note("span", span, "n", n, "k", k);
                const int32_t cut = find_cut(values, k);
                const auto count =
                        std::upper_bound(sorted.begin(), sorted.end(), cut) -
                        sorted.begin();
                CHECK(size_t(count) >= k);
                CHECK(size_t(count) == k || sorted[k - 1] == cut);
            }
        }
    }
}

/// @param nkeys  different ones
template <class Key>
static void check_best(size_t k, int nkeys, bool tightens) {
    const Note note("k", k, "keys", nkeys, "tightens", tightens);
    const int n = 3000;
    test::Random random(static_cast<uint32_t>(k));
    std::vector<Entry<Key>> all(n);
    for (int i = 0; i < n; i++) {
        const int number = random.integer(0, nkeys - 1) - nkeys / 2;
        all[i] = {static_cast<Key>(number) / 2, i};
    }
    std::vector<Entry<Key>> expected = all;
    std::sort(expected.begin(), expected.end());
    expected.resize(std::min<size_t>(k, n));
    // two halves, in another order each, merged
    std::shuffle(all.begin(), all.begin() + n / 2, random.engine);
    BestEntries<Entry<Key>> halves[2];
    for (int half = 0; half < 2; half++) {
        halves[half].k = k;
        for (int i = 0; i < n / 2; i++) {
            halves[half].add(all[half * n / 2 + i]);
            if (tightens && i % 37 == 0) {
                halves[half].tighten();
            }
        }
    }
    halves[0].merge(halves[1]);
    if (k <= size_t(n)) {
        // what is no better has no place
        CHECK(halves[0].is_full());
        CHECK(!(halves[0].worst() < expected.back()));
    }
    CHECK(halves[0].sort() == expected);
}

TEST(best_are_the_first_of_all) {
    for (size_t k : {1, 2, 19, 20, 21, 50, 1000, 1499, 2999, 3000, 5000}) {
        for (int nkeys : {1, 2, 40, 100000}) {
            for (bool tightens : {false, true}) {
                check_best<float>(k, nkeys, tightens);
                check_best<int32_t>(k, nkeys, tightens);
            }
        }
    }
}
