#pragma once

#include "indexes/BinaryBlock.h"

#include <memory>

namespace faiss_bebr {

/** A block that queries are compared with straight by the codes: for few of
 * them it is not worth to unpack it.
 * @param nq     the number of queries
 * @param x      packed codes, size nq * code_size
 * @param codes  the code of document i is row i
 * @return       nullptr where queries are too many, or planes
 */
std::unique_ptr<DocumentBlock<int32_t>> make_binary_code_block(
        const BinaryDistance& distance,
        size_t nq,
        const uint8_t* x,
        const uint8_t* codes);

} // namespace faiss_bebr
