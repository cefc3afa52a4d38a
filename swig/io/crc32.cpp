#include "io/crc32.h"

#include <array>
#include <cstring>

namespace faiss_bebr {

namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

/// tables[k][b] is the effect of byte b with k bytes after it
Tables make_tables() {
    Tables tables;
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) ? 0xedb88320u : 0);
        }
        tables[0][b] = crc;
    }
    for (size_t k = 1; k < 8; k++) {
        for (uint32_t b = 0; b < 256; b++) {
            const uint32_t crc = tables[k - 1][b];
            tables[k][b] = (crc >> 8) ^ tables[0][crc & 255];
        }
    }
    return tables;
}

} // namespace

uint32_t crc32(uint32_t crc, const uint8_t* bytes, size_t n) {
    static const Tables tables = make_tables();
    crc = ~crc;
    for (; n >= 8; n -= 8, bytes += 8) {
        uint32_t next = 0;
        for (int k = 0; k < 8; k++) {
            const uint32_t mixed = k < 4 ? crc >> (8 * k) : 0;
            next ^= tables[7 - k][(bytes[k] ^ mixed) & 255];
        }
        crc = next;
    }
    for (; n > 0; n--, bytes++) {
        crc = (crc >> 8) ^ tables[0][(crc ^ *bytes) & 255];
    }
    return ~crc;
}

} // namespace faiss_bebr
