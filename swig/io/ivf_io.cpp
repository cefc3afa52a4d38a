#include "io/ivf_io.h"

#include "io/ByteCounter.h"
#include "io/fields.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace faiss_bebr {

using faiss::ArrayInvertedLists;
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

void read_map(IOReader& f, idx_t ntotal, DirectMap& map) {
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
        return;
    }
    for (uint64_t i = 0; i < size; i++) {
        const idx_t id = read_number<idx_t>(f);
        map.hashtable[id] = read_number<idx_t>(f);
    }
}

/// as FAISS writes an ArrayInvertedLists, for any class of lists
void write_arrays(IOWriter& f, const InvertedLists& lists) {
    std::vector<uint64_t> sizes, sparse_sizes;
    for (size_t i = 0; i < lists.nlist; i++) {
        const uint64_t size = lists.list_size(i);
        sizes.push_back(size);
        if (size > 0) {
            sparse_sizes.push_back(i);
            sparse_sizes.push_back(size);
        }
    }
    const bool is_sparse = sparse_sizes.size() / 2 <= lists.nlist / 2;
    const std::vector<uint64_t>& written = is_sparse ? sparse_sizes : sizes;
    write_bytes(f, "ilar", 4);
    write_number<uint64_t>(f, lists.nlist);
    write_number<uint64_t>(f, lists.code_size);
    write_bytes(f, is_sparse ? "sprs" : "full", 4);
    write_number<uint64_t>(f, written.size());
    write_array(f, written);
    for (size_t i = 0; i < lists.nlist; i++) {
        if (sizes[i] > 0) {
            InvertedLists::ScopedCodes codes(&lists, i);
            InvertedLists::ScopedIds ids(&lists, i);
            write_array(f, codes.get(), sizes[i] * lists.code_size);
            write_array(f, ids.get(), sizes[i]);
        }
    }
}

void check_bytes(IOReader& f, const char* expected) {
    char bytes[4];
    read_bytes(f, bytes, sizeof(bytes));
    FAISS_THROW_IF_NOT_FMT(
            std::memcmp(bytes, expected, sizeof(bytes)) == 0,
            "the index file is corrupted: no \"%s\"",
            expected);
}

std::vector<uint64_t> read_list_sizes(IOReader& f, size_t nlist) {
    char type[4];
    read_bytes(f, type, sizeof(type));
    const bool is_sparse = std::memcmp(type, "sprs", sizeof(type)) == 0;
    FAISS_THROW_IF_NOT_MSG(
            is_sparse || std::memcmp(type, "full", sizeof(type)) == 0,
            "the index file is corrupted: no sizes of lists");
    const auto n = read_number_in<uint64_t>(
            f,
            "the number of list sizes",
            is_sparse ? 0 : nlist,
            is_sparse ? 2 * nlist : nlist);
    const std::vector<uint64_t> written = read_array<uint64_t>(f, n);
    if (!is_sparse) {
        return written;
    }
    std::vector<uint64_t> sizes(nlist);
    for (uint64_t i = 0; i + 1 < n; i += 2) {
        FAISS_THROW_IF_NOT_MSG(
                written[i] < nlist,
                "the index file is corrupted: a list that does not exist");
        sizes[written[i]] = written[i + 1];
    }
    return sizes;
}

std::unique_ptr<InvertedLists> read_arrays(
        IOReader& f,
        size_t nlist,
        size_t code_size) {
    check_bytes(f, "ilar");
    read_number_in<uint64_t>(f, "nlist", nlist, nlist);
    read_number_in<uint64_t>(f, "the size of codes", code_size, code_size);
    const std::vector<uint64_t> sizes = read_list_sizes(f, nlist);
    auto lists = std::make_unique<ArrayInvertedLists>(nlist, code_size);
    for (size_t i = 0; i < nlist; i++) {
        check_room(f, sizes[i], code_size + sizeof(idx_t));
        read_vector(f, sizes[i] * code_size, lists->codes[i]);
        read_vector(f, sizes[i], lists->ids[i]);
    }
    return lists;
}

/// by FAISS, which takes the sizes of what it allocates from the bytes
std::unique_ptr<InvertedLists> read_stock_lists(IOReader& f, int io_flags) {
    const auto size = read_number<uint64_t>(f);
    check_room(f, size, 1);
    const CheckedPayload& payload = get_payload(f);
    const uint64_t end = payload.tell() + size;
    faiss::VectorIOReader memory;
    if (!payload.is_complete) {
        memory.data = read_array<uint8_t>(f, size);
    }
    IOReader* source = payload.is_complete ? &f : &memory;
    std::unique_ptr<InvertedLists> lists(
            faiss::read_InvertedLists(source, io_flags));
    FAISS_THROW_IF_NOT_MSG(
            payload.tell() == end,
            "the index file is corrupted: lists of another size");
    return lists;
}

enum ListsKind : uint8_t { kNoLists, kArrays, kStockLists };

} // namespace

bool is_plausible_nlist(size_t nlist, idx_t ncentroids) {
    constexpr size_t max_empty_lists = 1 << 18;
    return nlist <= std::max<size_t>(max_empty_lists, ncentroids);
}

uint64_t empty_lists_bytes(uint64_t nlist) {
    constexpr uint64_t list_bytes = sizeof(ArrayInvertedLists::codes[0]) +
            sizeof(ArrayInvertedLists::ids[0]);
    FAISS_THROW_IF_NOT_FMT(
            nlist <= UINT64_MAX / list_bytes, "%zd lists", size_t(nlist));
    return nlist * list_bytes;
}

void write_lists(
        IOWriter& f,
        const InvertedLists* lists,
        const DirectMap& map,
        bool as_arrays) {
    if (!lists) {
        write_number<uint8_t>(f, kNoLists);
    } else if (as_arrays || dynamic_cast<const ArrayInvertedLists*>(lists)) {
        write_number<uint8_t>(f, kArrays);
        write_arrays(f, *lists);
    } else {
        write_number<uint8_t>(f, kStockLists);
        ByteCounter counter;
        faiss::write_InvertedLists(lists, &counter);
        write_number<uint64_t>(f, counter.size);
        faiss::write_InvertedLists(lists, &f);
    }
    write_map(f, map);
}

std::unique_ptr<InvertedLists> read_lists(
        IOReader& f,
        const ListSizes& sizes,
        DirectMap& map,
        int io_flags) {
    const auto kind =
            read_number_in<uint8_t>(f, "the kind of lists", 0, kStockLists);
    std::unique_ptr<InvertedLists> lists;
    if (kind == kArrays) {
        get_payload(f).take_unwritten(empty_lists_bytes(sizes.nlist));
    }
    if (kind == kArrays && !(io_flags & faiss::IO_FLAG_SKIP_IVF_DATA)) {
        lists = read_arrays(f, sizes.nlist, sizes.code_size);
    } else if (kind == kArrays) {
        // mapped, or what the flag means to FAISS
        lists.reset(faiss::read_InvertedLists(&f, io_flags));
    } else if (kind == kStockLists) {
        lists = read_stock_lists(f, io_flags);
    }
    FAISS_THROW_IF_NOT_FMT(
            !lists ||
                    (lists->nlist == sizes.nlist &&
                     lists->code_size == sizes.code_size),
            "the index file is corrupted: lists of another kind than "
            "%zd of %zd-byte codes",
            sizes.nlist,
            sizes.code_size);
    read_map(f, sizes.ntotal, map);
    return lists;
}

} // namespace faiss_bebr
