#pragma once

#include <faiss/impl/io.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** A reader whose first bytes were looked at: they come again. A source that
 * can go back does so, and can then be read itself.
 */
struct PeekedReader : faiss::IOReader {
    faiss::IOReader* source; ///< not owned
    std::vector<uint8_t> first_bytes;
    bool was_rewound = false;

    /// @param n  how many bytes to look at; there may be fewer
    PeekedReader(faiss::IOReader* source, size_t n);

    size_t operator()(void* ptr, size_t size, size_t nitems) override;

   private:
    size_t given = 0; ///< of first_bytes
};

} // namespace faiss_bebr
