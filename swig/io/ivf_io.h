#pragma once

#include <faiss/MetricType.h>
#include <faiss/impl/io.h>
#include <faiss/invlists/DirectMap.h>
#include <faiss/invlists/InvertedLists.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace faiss_bebr {

/// what the lists of an index have to be
struct ListSizes {
    size_t nlist;
    size_t code_size;
    faiss::idx_t ntotal;
};

/** Whether a file may have so many lists. An empty list takes memory, but no
 * bytes of a file except those of its centroid.
 * @param ncentroids  vectors in the quantizer; 0 before training
 */
bool is_plausible_nlist(size_t nlist, faiss::idx_t ncentroids);

/// of memory that empty lists take; throws if there cannot be so many
uint64_t empty_lists_bytes(uint64_t nlist);

/** Inverted lists in FAISS's bytes, and the direct map:
 *
 *     uint8   0: no lists, 1: lists as an ArrayInvertedLists, 2: others
 *     uint64  number of bytes, for others only
 *     lists
 *     uint8   type of the direct map; its entries, ordered by id
 *
 * @param as_arrays  as an ArrayInvertedLists, whatever they are
 */
void write_lists(
        faiss::IOWriter& f,
        const faiss::InvertedLists* lists,
        const faiss::DirectMap& map,
        bool as_arrays);

/** Throws for lists of other sizes. What is in the lists and the map is not
 * checked, see consistency.h.
 * @param io_flags  see faiss::read_index
 * @return          nullptr if there were none
 */
std::unique_ptr<faiss::InvertedLists> read_lists(
        faiss::IOReader& f,
        const ListSizes& sizes,
        faiss::DirectMap& map,
        int io_flags);

} // namespace faiss_bebr
