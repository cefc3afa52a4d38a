#include "io/ivf_io.h"

#include "io/fields.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace faiss_bebr {

using faiss::DirectMap;
using faiss::idx_t;
using faiss::InvertedLists;
using faiss::IOReader;
using faiss::IOWriter;

namespace {

using Entry = std::pair<idx_t, idx_t>; ///< id and place

void write_map(IOWriter& f, const DirectMap& map) {
    write_number<uint8_t>(f, map.type);
    if (map.type == DirectMap::Array) {
        write_number<uint64_t>(f, map.array.size());
        write_array(f, map.array);
    } else if (map.type == DirectMap::Hashtable) {
        std::vector<Entry> entries(map.hashtable.begin(), map.hashtable.end());
        // the order of a hash table is not that of a copy of it
        std::sort(entries.begin(), entries.end());
        write_number<uint64_t>(f, entries.size());
        for (const Entry& entry : entries) {
            write_number<idx_t>(f, entry.first);
            write_number<idx_t>(f, entry.second);
        }
    }
}

void check_place(const InvertedLists* lists, idx_t place) {
    FAISS_THROW_IF_NOT_MSG(
            place >= 0 && faiss::lo_listno(place) < lists->nlist &&
                    faiss::lo_offset(place) <
                            lists->list_size(faiss::lo_listno(place)),
            "the index file is corrupted: a direct map leads out of the lists");
}

/// @param lists  nullptr: they were not read, so that places are not checked
void read_map(
        IOReader& f,
        idx_t ntotal,
        const InvertedLists* lists,
        DirectMap& map) {
    map.clear();
    map.type = static_cast<DirectMap::Type>(read_number_in<uint8_t>(
            f, "the direct map", DirectMap::NoMap, DirectMap::Hashtable));
    if (map.type == DirectMap::NoMap) {
        return;
    }
    const auto size = read_number_in<uint64_t>(
            f, "the size of the direct map", 0, ntotal);
    if (map.type == DirectMap::Array) {
        map.array = read_array<idx_t>(f, size);
    }
    for (uint64_t i = 0; i < size; i++) {
        idx_t place;
        if (map.type == DirectMap::Array) {
            place = map.array[i];
            if (place == -1) {
                continue; // of a vector that is in no list
            }
        } else {
            const idx_t id = read_number<idx_t>(f);
            place = read_number<idx_t>(f);
            map.hashtable[id] = place;
        }
        if (lists) {
            check_place(lists, place);
        }
    }
}

} // namespace

void write_lists(
        IOWriter& f,
        const InvertedLists* lists,
        const DirectMap& map) {
    faiss::write_InvertedLists(lists, &f);
    write_map(f, map);
}

std::unique_ptr<InvertedLists> read_lists(
        IOReader& f,
        const ListSizes& sizes,
        DirectMap& map,
        int io_flags) {
    std::unique_ptr<InvertedLists> lists(
            faiss::read_InvertedLists(&f, io_flags));
    if (lists) {
        FAISS_THROW_IF_NOT_FMT(
                lists->nlist == sizes.nlist &&
                        lists->code_size == sizes.code_size,
                "the index file is corrupted: %zd lists of %zd-byte codes "
                "instead of %zd of %zd-byte codes",
                lists->nlist,
                lists->code_size,
                sizes.nlist,
                sizes.code_size);
        FAISS_THROW_IF_NOT_MSG(
                sizes.ntotal >= 0 &&
                        lists->compute_ntotal() == size_t(sizes.ntotal),
                "the index file is corrupted: ntotal is not that of the lists");
    }
    read_map(f, sizes.ntotal, lists.get(), map);
    return lists;
}

} // namespace faiss_bebr
