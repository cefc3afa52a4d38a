#pragma once

#include "indexes/BinaryBlock.h"

#include <memory>

namespace faiss_bebr {

/** A block that a single query is compared with straight by the codes: it is
 * not worth to unpack them.
 * @param query  a packed code
 * @return       nullptr for depths that the kernels do not have
 */
std::unique_ptr<DocumentBlock<int32_t>> make_binary_code_block(
        const BinaryDistance& distance,
        const uint8_t* query,
        const uint8_t* codes);

} // namespace faiss_bebr
