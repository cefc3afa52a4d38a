#pragma once

#include "indexes/IndexBinaryIVFSDC.h"
#include "indexes/IndexIVFSDC.h"

namespace faiss_bebr {

// Copies with lists of their own, and with the given quantizer, which they do
// not own; without clustering_index. They throw for lists that FAISS has no
// copy of, as those on disk.

IndexIVFSDC* clone_IndexIVFSDC(
        const IndexIVFSDC& index,
        faiss::Index* quantizer);
IndexBinaryIVFSDC* clone_IndexBinaryIVFSDC(
        const IndexBinaryIVFSDC& index,
        faiss::IndexBinary* quantizer);

} // namespace faiss_bebr
