#include "indexes/ivf_entries.h"

#include "indexes/parallel_for.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>

#include <algorithm>
#include <vector>

namespace faiss_bebr {

using faiss::DirectMap;
using faiss::InvertedLists;

namespace {

/// Appends to lists, all or none of them.
struct Appending {
    InvertedLists& lists;
    std::vector<size_t> list_nos; ///< different ones
    std::vector<size_t> old_sizes;

    Appending(InvertedLists& lists_in, const std::vector<size_t>& list_nos_in)
            : lists(lists_in), list_nos(list_nos_in) {
        // lists that are only for iterators have no sizes
        for (size_t i = 0; i < list_nos.size() && !lists.use_iterator; i++) {
            old_sizes.push_back(lists.list_size(list_nos[i]));
        }
    }

    /// @param append  adds what belongs to list_nos[i]; may be called in
    ///                parallel
    template <class Append>
    void run(const Append& append) {
        if (!dynamic_cast<faiss::ArrayInvertedLists*>(&lists)) {
            // lists on disk that could not grow keep their locks, for which
            // other threads or an undo would wait for ever
            for (size_t i = 0; i < list_nos.size(); i++) {
                append(i);
            }
            return;
        }
        try {
            parallel_for(list_nos.size(), 100, append);
        } catch (...) {
            undo();
            throw;
        }
    }

    void undo() {
        for (size_t i = 0; i < old_sizes.size(); i++) {
            if (lists.list_size(list_nos[i]) != old_sizes[i]) {
                lists.resize(list_nos[i], old_sizes[i]);
            }
        }
    }
};

/// The entries of a call that go to the same list.
struct ListRun {
    size_t list_no;
    std::vector<size_t> entries; ///< ascending
};

/// without those of list -1
std::vector<ListRun> group_by_list(size_t n, const idx_t* list_nos) {
    std::vector<size_t> order;
    for (size_t i = 0; i < n; i++) {
        if (list_nos[i] >= 0) {
            order.push_back(i);
        }
    }
    const auto is_before = [list_nos](size_t a, size_t b) {
        return list_nos[a] < list_nos[b];
    };
    std::stable_sort(order.begin(), order.end(), is_before);
    std::vector<ListRun> runs;
    for (size_t i : order) {
        const size_t list_no = list_nos[i];
        if (runs.empty() || runs.back().list_no != list_no) {
            runs.push_back({list_no, {}});
        }
        runs.back().entries.push_back(i);
    }
    return runs;
}

/// @param places  see add_places(); set for the entries of the run
void append_run(
        InvertedLists& lists,
        const ListRun& run,
        const std::vector<idx_t>& ids,
        const uint8_t* codes,
        void* context,
        std::vector<idx_t>& places) {
    const size_t code_size = lists.code_size;
    if (context) {
        // only add_entry takes it
        for (size_t i : run.entries) {
            const size_t offset = lists.add_entry(
                    run.list_no, ids[i], codes + i * code_size, context);
            places[i] = faiss::lo_build(run.list_no, offset);
        }
        return;
    }
    std::vector<idx_t> run_ids;
    std::vector<uint8_t> run_codes;
    for (size_t i : run.entries) {
        const uint8_t* code = codes + i * code_size;
        run_ids.push_back(ids[i]);
        run_codes.insert(run_codes.end(), code, code + code_size);
    }
    size_t offset = lists.add_entries(
            run.list_no, run_ids.size(), run_ids.data(), run_codes.data());
    for (size_t i : run.entries) {
        places[i] = faiss::lo_build(run.list_no, offset++);
    }
}

/** Tell the map where new entries are.
 * @param places  of each id, see lo_build; -1 for those that are nowhere
 */
void add_places(
        DirectMap& map,
        const std::vector<idx_t>& ids,
        const std::vector<idx_t>& places) {
    if (map.type == DirectMap::Array) {
        map.array.insert(map.array.end(), places.begin(), places.end());
    } else if (map.type == DirectMap::Hashtable) {
        for (size_t i = 0; i < ids.size(); i++) {
            if (places[i] >= 0) {
                map.hashtable[ids[i]] = places[i];
            }
        }
    }
}

/// where the map says that an entry is; throws if the lists have no such place
idx_t get_place(const InvertedLists& lists, const DirectMap& map, idx_t id) {
    const idx_t place = map.get(id);
    const size_t list_no = faiss::lo_listno(place);
    FAISS_THROW_IF_NOT_FMT(
            list_no < lists.nlist &&
                    faiss::lo_offset(place) < lists.list_size(list_no),
            "the direct map is not that of the lists, which have no id %zd",
            size_t(id));
    return place;
}

/// before anything changes
void check_places(
        const InvertedLists& lists,
        const DirectMap& map,
        size_t n,
        const idx_t* ids) {
    for (size_t i = 0; i < n; i++) {
        get_place(lists, map, ids[i]);
    }
}

void set_place(DirectMap& map, idx_t id, idx_t place) {
    if (map.type == DirectMap::Array) {
        map.array[id] = place;
    } else {
        map.hashtable[id] = place;
    }
}

/// Remove the entry of an id; the last one of the list takes its place.
void remove_at(InvertedLists& lists, DirectMap& map, idx_t id, idx_t place) {
    const size_t list_no = faiss::lo_listno(place);
    const size_t offset = faiss::lo_offset(place);
    const size_t last = lists.list_size(list_no) - 1;
    const idx_t last_id = lists.get_single_id(list_no, last);
    FAISS_THROW_IF_NOT_FMT(
            map.type != DirectMap::Array ||
                    (last_id >= 0 && size_t(last_id) < map.array.size()),
            "the direct map is not that of the lists, which have id %zd",
            size_t(last_id));
    if (offset != last) {
        const InvertedLists::ScopedCodes code(&lists, list_no, last);
        lists.update_entry(list_no, offset, last_id, code.codes);
    }
    lists.resize(list_no, last);
    // the map last, as read-only lists throw
    if (map.type == DirectMap::Hashtable) {
        map.hashtable.erase(id);
    }
    if (offset != last) {
        set_place(map, last_id, place);
    }
}

/// as DirectMap::remove_ids, which forgets an id before its list may throw
size_t remove_from_hashtable(
        InvertedLists& lists,
        DirectMap& map,
        const faiss::IDSelectorArray& sel) {
    std::vector<idx_t> present;
    for (size_t i = 0; i < sel.n; i++) {
        if (map.hashtable.count(sel.ids[i]) > 0) {
            present.push_back(sel.ids[i]);
        }
    }
    check_places(lists, map, present.size(), present.data());
    size_t nremove = 0;
    for (idx_t id : present) {
        // an id may be given twice
        const auto found = map.hashtable.find(id);
        if (found != map.hashtable.end()) {
            remove_at(lists, map, id, found->second);
            nremove++;
        }
    }
    return nremove;
}

std::vector<bool> find_members(
        const InvertedLists& lists,
        size_t list_no,
        const faiss::IDSelector& sel) {
    const size_t size = lists.list_size(list_no);
    const InvertedLists::ScopedIds ids(&lists, list_no);
    std::vector<bool> found(size);
    for (size_t i = 0; i < size; i++) {
        found[i] = sel.is_member(ids[i]);
    }
    return found;
}

/// @param leaves  which entries of the list are to go
void compact_list(
        InvertedLists& lists,
        size_t list_no,
        const std::vector<bool>& leaves) {
    const size_t begin =
            std::find(leaves.begin(), leaves.end(), true) - leaves.begin();
    std::vector<idx_t> kept_ids;
    std::vector<uint8_t> kept_codes;
    {
        const InvertedLists::ScopedIds ids(&lists, list_no);
        const InvertedLists::ScopedCodes codes(&lists, list_no);
        for (size_t i = begin; i < leaves.size(); i++) {
            if (!leaves[i]) {
                const uint8_t* code = codes.codes + i * lists.code_size;
                kept_ids.push_back(ids[i]);
                kept_codes.insert(
                        kept_codes.end(), code, code + lists.code_size);
            }
        }
    }
    lists.update_entries(
            list_no,
            begin,
            kept_ids.size(),
            kept_ids.data(),
            kept_codes.data());
    lists.resize(list_no, begin + kept_ids.size());
}

} // namespace

void add_entries(
        InvertedLists& lists,
        DirectMap& map,
        idx_t ntotal,
        size_t n,
        const idx_t* list_nos,
        const idx_t* xids,
        const uint8_t* codes,
        void* context) {
    map.check_can_add(xids);
    std::vector<idx_t> ids(n);
    for (size_t i = 0; i < n; i++) {
        ids[i] = xids ? xids[i] : ntotal + idx_t(i);
    }
    const std::vector<ListRun> runs = group_by_list(n, list_nos);
    std::vector<size_t> touched;
    for (const ListRun& run : runs) {
        touched.push_back(run.list_no);
    }
    std::vector<idx_t> places(n, -1);
    Appending(lists, touched).run([&](size_t r) {
        append_run(lists, runs[r], ids, codes, context, places);
    });
    add_places(map, ids, places);
}

void update_entries(
        InvertedLists& lists,
        DirectMap& map,
        size_t n,
        const idx_t* ids,
        const idx_t* list_nos,
        const uint8_t* codes) {
    check_places(lists, map, n, ids);
    for (size_t i = 0; i < n; i++) {
        const uint8_t* code = codes + i * lists.code_size;
        const idx_t place = map.get(ids[i]);
        if (idx_t(faiss::lo_listno(place)) == list_nos[i]) {
            lists.update_entry(
                    list_nos[i], faiss::lo_offset(place), ids[i], code);
            continue;
        }
        // first where it goes to: that may fail
        const size_t offset = lists.add_entry(list_nos[i], ids[i], code);
        remove_at(lists, map, ids[i], place);
        set_place(map, ids[i], faiss::lo_build(list_nos[i], offset));
    }
}

size_t remove_entries(
        InvertedLists& lists,
        DirectMap& map,
        const faiss::IDSelector& sel) {
    FAISS_THROW_IF_NOT_MSG(
            map.type != DirectMap::Array,
            "remove not supported with an array as direct map");
    if (map.type == DirectMap::Hashtable) {
        const auto* array = dynamic_cast<const faiss::IDSelectorArray*>(&sel);
        FAISS_THROW_IF_NOT_MSG(
                array,
                "remove with a hashtable works only with IDSelectorArray");
        return remove_from_hashtable(lists, map, *array);
    }
    std::vector<std::vector<bool>> leaves(lists.nlist);
    // by this thread, as the exception of a selector in Python stays in its own
    for (size_t i = 0; i < lists.nlist; i++) {
        leaves[i] = find_members(lists, i, sel);
    }
    size_t nremove = 0;
    for (size_t i = 0; i < lists.nlist; i++) {
        const size_t n = std::count(leaves[i].begin(), leaves[i].end(), true);
        if (n > 0) {
            compact_list(lists, i, leaves[i]);
            nremove += n;
        }
    }
    return nremove;
}

void find_places(
        const InvertedLists& lists,
        idx_t i0,
        std::vector<idx_t>& places) {
    const idx_t n = places.size();
    for (size_t list_no = 0; list_no < lists.nlist; list_no++) {
        const size_t size = lists.list_size(list_no);
        const InvertedLists::ScopedIds ids(&lists, list_no);
        for (size_t offset = 0; offset < size; offset++) {
            // not ids[offset] - i0 first, which may overflow
            if (ids[offset] >= i0 && ids[offset] - i0 < n) {
                places[ids[offset] - i0] = faiss::lo_build(list_no, offset);
            }
        }
    }
    const auto missing = std::find(places.begin(), places.end(), idx_t(-1));
    FAISS_THROW_IF_NOT_FMT(
            missing == places.end(),
            "id %zd is not in the index",
            size_t(i0 + (missing - places.begin())));
}

void move_entries(InvertedLists& to, InvertedLists& from, idx_t add_id) {
    FAISS_THROW_IF_NOT_MSG(&to != &from, "the indexes share inverted lists");
    std::vector<size_t> list_nos;
    for (size_t i = 0; i < from.nlist; i++) {
        if (from.list_size(i) > 0) {
            list_nos.push_back(i);
        }
    }
    Appending appending(to, list_nos);
    appending.run([&](size_t r) {
        const size_t n = from.list_size(list_nos[r]);
        const InvertedLists::ScopedIds ids(&from, list_nos[r]);
        const InvertedLists::ScopedCodes codes(&from, list_nos[r]);
        std::vector<idx_t> new_ids(ids.ids, ids.ids + n);
        for (idx_t& id : new_ids) {
            id += add_id;
        }
        to.add_entries(list_nos[r], n, new_ids.data(), codes.codes);
    });
    try {
        for (size_t list_no : list_nos) {
            from.resize(list_no, 0);
        }
    } catch (...) {
        appending.undo();
        throw;
    }
}

} // namespace faiss_bebr
