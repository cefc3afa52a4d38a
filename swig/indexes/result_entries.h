#pragma once

#include <faiss/MetricType.h>

#include <tuple>

namespace faiss_bebr {

/// A document with its key for a query. The better one is less, and among equal
/// keys that with the smaller id.
template <class Key>
struct FlatEntry {
    Key key;
    faiss::idx_t id;

    bool operator<(const FlatEntry& other) const {
        return std::tie(key, id) < std::tie(other.key, other.id);
    }
};

/// The same of an entry of an inverted list. Among those of one id, which may
/// be in several places, the smaller place is better.
template <class Key>
struct ListEntry {
    Key key;
    faiss::idx_t id;
    faiss::idx_t place; ///< see faiss::lo_build

    bool operator<(const ListEntry& other) const {
        return std::tie(key, id, place) <
                std::tie(other.key, other.id, other.place);
    }
};

} // namespace faiss_bebr
