// The k best of some entries, against all of them sorted, and how entries and
// probes are sorted.

#include "check.h"
#include "indexes/best_entries.h"
#include "indexes/sort_by_lists.h"
#include "test_data.h"

#include <algorithm>
#include <cfloat>
#include <climits>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

using faiss_bebr::BestEntries;
using faiss_bebr::find_cut;
using faiss_bebr::get_key_of_rank;
using faiss_bebr::get_rank_of_key;
using faiss_bebr::sort_entries;
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
    for (float key : keys) {
        CHECK_EQUAL(get_key_of_rank(get_rank_of_key(key), 0.0f), key);
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
                for (size_t most : {k, k + 1, k + k / 8, n}) {
                    const int32_t cut = find_cut(values, k, most);
                    const size_t count =
                            std::upper_bound(
                                    sorted.begin(), sorted.end(), cut) -
                            sorted.begin();
                    CHECK(count >= k);
                    CHECK(count <= most || sorted[k - 1] == cut);
                }
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
        CHECK(!(halves[0].get_largest_key() < expected.back().key));
    }
    CHECK(halves[0].sort() == expected);
}

TEST(cuts_of_uneven_values) {
    // most are equal, and some are far: by what a share of the range says, a
    // cut would come nearer to theirs step by step
    std::vector<int32_t> values(1000, 5);
    for (int i = 0; i < 30; i++) {
        values[i] = INT_MIN + i;
        values[999 - i] = INT_MAX - i * i;
    }
    std::vector<int32_t> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (size_t k = 1; k <= values.size(); k++) {
        const Note note("k", k);
        const int32_t cut = find_cut(values, k, k);
        CHECK(cut >= sorted[k - 1]);
        CHECK(k == values.size() || cut <= sorted[k]);
    }
}

TEST(limits_follow_the_best) {
    const std::vector<float> keys = test::Random(3).normal(20000);
    for (size_t k : {1, 19, 20, 100, 1000}) {
        const Note note("k", k);
        BestEntries<Entry<float>> best;
        best.k = k;
        for (size_t i = 0; i < keys.size(); i++) {
            best.add({keys[i], int(i)});
            if (i % 5000 != 4999) {
                continue;
            }
            best.tighten();
            const float limit = best.get_largest_key();
            const size_t below = std::count_if(
                    keys.begin(), keys.begin() + i + 1, [limit](float key) {
                        return key <= limit;
                    });
            CHECK(below >= k);
            CHECK(below <= k + std::max<size_t>(k / 4, 8) + k / 8);
        }
    }
}

TEST(best_of_extreme_keys) {
    const float smallest = std::numeric_limits<float>::denorm_min();
    std::vector<Entry<float>> all;
    for (int i = 0; i < 300; i++) {
        for (float key :
             {-INFINITY, -FLT_MAX, -smallest, -0.0f, 0.0f, smallest, FLT_MAX}) {
            all.push_back({key, 299 - i});
        }
    }
    std::vector<Entry<float>> expected = all;
    std::sort(expected.begin(), expected.end());
    for (size_t k : {20, 299, 300, 301, 620, 1000, 1500, 2000}) {
        const Note note("k", k);
        BestEntries<Entry<float>> best;
        best.k = k;
        for (const Entry<float>& entry : all) {
            best.add(entry);
            best.tighten();
        }
        const std::vector<Entry<float>>& found = best.sort();
        CHECK_EQUAL(found.size(), k);
        for (size_t i = 0; i < k; i++) {
            // of -0.0 and 0.0 with one id, which are equal, either
            CHECK(found[i].key == expected[i].key);
            CHECK(found[i].id == expected[i].id);
        }
    }
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

template <class Key>
static void check_sorted(const std::vector<Key>& keys) {
    std::vector<Entry<Key>> entries;
    for (size_t i = 0; i < keys.size(); i++) {
        entries.push_back({keys[i], int(keys.size() - i)});
    }
    std::vector<Entry<Key>> expected = entries;
    std::sort(expected.begin(), expected.end());
    sort_entries(entries);
    CHECK(entries == expected);
}

TEST(entries_are_sorted_by_keys_of_any_kind) {
    test::Random random(7);
    for (size_t n : {0, 1, 63, 64, 65, 1000}) {
        const Note note("n", n);
        std::vector<float> floats(n);
        std::vector<float> zeros(n);
        std::vector<float> few(n);
        std::vector<int32_t> integers(n);
        for (size_t i = 0; i < n; i++) {
            // of all exponents and both signs
            floats[i] = get_key_of_rank(
                    random.integer(
                            get_rank_of_key(-INFINITY),
                            get_rank_of_key(INFINITY)),
                    0.0f);
            zeros[i] = random.integer(0, 1) == 0 ? 0.0f : -0.0f;
            few[i] = static_cast<float>(random.integer(-9, 9));
            integers[i] = random.integer(INT_MIN, INT_MAX);
        }
        check_sorted(floats);
        check_sorted(zeros);
        check_sorted(few);
        check_sorted(integers);
    }
}

struct Probe {
    int64_t list_no;
    int number;
};

TEST(probes_keep_their_order_within_lists) {
    test::Random random(5);
    // on both sides of where lists are counted
    for (int nlist : {1, 20, 1600, 5000}) {
        for (int n : {0, 1, 100, 300}) {
            const Note note("lists", nlist, "probes", n);
            std::vector<Probe> probes;
            for (int i = 0; i < n; i++) {
                // some lists more than once
                const int list_no = random.integer(0, nlist - 1);
                probes.push_back({i % 3 == 0 ? list_no : list_no % 7, i});
            }
            const std::vector<Probe> sorted =
                    faiss_bebr::sort_by_lists(nlist, probes);
            CHECK_EQUAL(sorted.size(), size_t(n));
            std::vector<int> numbers;
            for (size_t i = 0; i < sorted.size(); i++) {
                const Probe& probe = sorted[i];
                numbers.push_back(probe.number);
                CHECK_EQUAL(probe.list_no, probes[probe.number].list_no);
                CHECK(i == 0 || sorted[i - 1].list_no < probe.list_no ||
                      (sorted[i - 1].list_no == probe.list_no &&
                       sorted[i - 1].number < probe.number));
            }
            std::sort(numbers.begin(), numbers.end());
            for (int i = 0; i < n; i++) {
                CHECK_EQUAL(numbers[i], i);
            }
        }
    }
}
