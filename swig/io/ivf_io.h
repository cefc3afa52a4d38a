#pragma once

#include <faiss/MetricType.h>
#include <faiss/impl/io.h>
#include <faiss/invlists/DirectMap.h>
#include <faiss/invlists/InvertedLists.h>

#include <cstddef>
#include <memory>

namespace faiss_bebr {

/// what the lists of an index have to be
struct ListSizes {
    size_t nlist;
    size_t code_size;
    faiss::idx_t ntotal;
};

/// inverted lists in FAISS's bytes, and the direct map
void write_lists(
        faiss::IOWriter& f,
        const faiss::InvertedLists* lists,
        const faiss::DirectMap& map);

/** Throws for lists of other sizes, and for maps to places outside them.
 * @param io_flags  see faiss::read_index
 * @return          nullptr if there were none, or they are not to be read
 */
std::unique_ptr<faiss::InvertedLists> read_lists(
        faiss::IOReader& f,
        const ListSizes& sizes,
        faiss::DirectMap& map,
        int io_flags);

} // namespace faiss_bebr
