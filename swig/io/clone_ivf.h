#pragma once

#include "indexes/IndexIVFSDC.h"

namespace faiss_bebr {

/** A copy with lists of its own. Throws for lists that FAISS has no copy of,
 * as those on disk.
 * @param quantizer  of the copy, which does not own it
 */
IndexIVFSDC* clone_IndexIVFSDC(
        const IndexIVFSDC& index,
        faiss::Index* quantizer);

} // namespace faiss_bebr
