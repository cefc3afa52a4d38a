#pragma once

#include <cstddef>
#include <cstdint>

namespace faiss_bebr {

/** The CRC-32 of IEEE 802.3, as zlib's crc32().
 * @param crc  0, or the result for the bytes before
 */
uint32_t crc32(uint32_t crc, const uint8_t* bytes, size_t n);

} // namespace faiss_bebr
