#include "indexes/compact_rows.h"

#include <cstring>
#include <vector>

namespace faiss_bebr {

faiss::idx_t compact_rows(
        uint8_t* rows,
        size_t row_size,
        faiss::idx_t n,
        const faiss::IDSelector& sel) {
    std::vector<bool> leaves(n);
    for (faiss::idx_t i = 0; i < n; i++) {
        leaves[i] = sel.is_member(i);
    }
    faiss::idx_t kept = 0;
    for (faiss::idx_t i = 0; i < n; i++) {
        if (!leaves[i]) {
            std::memmove(
                    rows + kept++ * row_size, rows + i * row_size, row_size);
        }
    }
    return kept;
}

} // namespace faiss_bebr
