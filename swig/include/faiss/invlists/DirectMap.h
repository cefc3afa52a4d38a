// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/invlists/InvertedLists.h>

#include <unordered_map>

namespace faiss {

struct IDSelector;

/// The place of an entry as one number: list and offset, 32 bits each.
inline uint64_t lo_build(uint64_t list_id, uint64_t offset) {
    return (list_id << 32) | offset;
}

inline uint64_t lo_listno(uint64_t lo) {
    return lo >> 32;
}

inline uint64_t lo_offset(uint64_t lo) {
    return lo & 0xffffffff;
}

/// Finds an entry of inverted lists by its id.
struct DirectMap {
    enum Type {
        NoMap,
        Array, ///< ids are 0, 1, ...
        Hashtable,
        DMT_count,
    };

    Type type;
    /// values are those of lo_build
    std::vector<idx_t> array;
    std::unordered_map<idx_t, idx_t> hashtable;

    DirectMap();

    /// fills the map
    void set_type(Type new_type, const InvertedLists* invlists, size_t ntotal);
    idx_t get(idx_t id) const;
    bool no() const {
        return type == NoMap;
    }
    /// throws if there are ids and the map is an Array
    void check_can_add(const idx_t* ids);
    void add_single_id(idx_t id, idx_t list_no, size_t offset);
    void clear();

    size_t remove_ids(const IDSelector& sel, InvertedLists* invlists);
    void update_codes(
            InvertedLists* invlists,
            int n,
            const idx_t* ids,
            const idx_t* list_nos,
            const uint8_t* codes);
};

/// Adds to a map from several threads; done when it is destroyed.
struct DirectMapAdd {
    using Type = DirectMap::Type;

    DirectMap& direct_map;
    DirectMap::Type type;
    size_t ntotal;
    size_t n;
    const idx_t* xids;
    std::vector<idx_t> all_ofs;

    DirectMapAdd(DirectMap& direct_map, size_t n, const idx_t* xids);
    ~DirectMapAdd();

    /// the place of entry i of n
    void add(size_t i, idx_t list_no, size_t offset);
};

} // namespace faiss
