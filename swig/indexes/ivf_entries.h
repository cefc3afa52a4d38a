#pragma once

#include <faiss/invlists/DirectMap.h>
#include <faiss/invlists/InvertedLists.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

using faiss::idx_t;

// Changes of inverted lists together with their direct map. When lists are
// read-only, memory is short or a selector in Python raises, adding, removing
// and moving throw and leave all as it was. FAISS's own functions would end the
// process then, as they write in parallel regions. Lists on disk whose file
// cannot grow make them throw, too, but have lost their memory in libfaiss.

/** Add entries to the lists.
 * @param ntotal    ids without xids are ntotal, ntotal + 1, ...
 * @param list_nos  size n, below lists.nlist; -1 for entries to leave out
 * @param xids      size n, or nullptr
 * @param codes     size n * lists.code_size
 * @param context   handed to lists.add_entry
 */
void add_entries(
        faiss::InvertedLists& lists,
        faiss::DirectMap& map,
        idx_t ntotal,
        size_t n,
        const idx_t* list_nos,
        const idx_t* xids,
        const uint8_t* codes,
        void* context = nullptr);

/** Give entries other codes, in the same or in other lists.
 * @param ids       size n; throws before anything changes if one of them is
 *                  not in the map
 * @param list_nos  size n, in 0 .. lists.nlist - 1
 * @param codes     size n * lists.code_size
 */
void update_entries(
        faiss::InvertedLists& lists,
        faiss::DirectMap& map,
        size_t n,
        const idx_t* ids,
        const idx_t* list_nos,
        const uint8_t* codes);

/** Remove entries. Those that stay keep their order if there is no map. With
 * a hashtable it takes an IDSelectorArray only, with an array nothing.
 * @return  how many are gone
 */
size_t remove_entries(
        faiss::InvertedLists& lists,
        faiss::DirectMap& map,
        const faiss::IDSelector& sel);

/** Where the ids i0, i0 + 1, ... are; throws if one of them is nowhere.
 * @param places  as many as there are ids, all of them -1; those of lo_build,
 *                the last one for an id that is there more than once
 */
void find_places(
        const faiss::InvertedLists& lists,
        idx_t i0,
        std::vector<idx_t>& places);

/// Move all entries to the ends of the same lists of `to`, with add_id added
/// to their ids.
void move_entries(
        faiss::InvertedLists& to,
        faiss::InvertedLists& from,
        idx_t add_id);

} // namespace faiss_bebr
