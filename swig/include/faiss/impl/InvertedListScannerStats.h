// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <cstddef>

namespace faiss {

struct InvertedListScannerStats {
    size_t scan_cnt = 0;
    size_t nheap_updates = 0;
};

} // namespace faiss
