#pragma once

#include <faiss/impl/IDSelector.h>

#include <cstddef>
#include <cstdint>

namespace faiss_bebr {

/** Move the rows that a selector does not have to the front, in order.
 * If the selector throws (one written in Python may), nothing has moved.
 * @return  how many rows stay
 */
faiss::idx_t compact_rows(
        uint8_t* rows,
        size_t row_size,
        faiss::idx_t n,
        const faiss::IDSelector& sel);

} // namespace faiss_bebr
