#include "indexes/ColumnCodes.h"

#include <algorithm>
#include <cstring>

namespace faiss_bebr {

namespace {

/// 8 rows of 8 bytes become columns
inline void transpose_u8x8(uint64_t rows[8]) {
    // quarters of blocks of 8, 4 and 2 rows change their places
    const auto exchange = [rows](int distance, int shift, uint64_t low) {
        for (int i = 0; i < 8; i++) {
            if ((i & distance) == 0) {
                uint64_t& a = rows[i];
                uint64_t& b = rows[i + distance];
                const uint64_t changed = ((a >> shift) ^ b) & low;
                b ^= changed;
                a ^= changed << shift;
            }
        }
    };
    exchange(4, 32, 0x00000000ffffffff);
    exchange(2, 16, 0x0000ffff0000ffff);
    exchange(1, 8, 0x00ff00ff00ff00ff);
}

/// bytes that are 8 in most cases, when a copy is one instruction
inline void copy_word(void* target, const void* source, size_t n) {
    if (n == 8) {
        std::memcpy(target, source, 8);
    } else {
        std::memcpy(target, source, n);
    }
}

/** n bytes of 8 rows become n columns of 8 bytes.
 * @param n  at most 8
 */
void transpose_to_columns(
        const uint8_t* rows,
        size_t row_stride,
        size_t n,
        uint8_t* columns) {
    uint64_t words[8] = {};
    for (size_t i = 0; i < 8; i++) {
        copy_word(&words[i], rows + i * row_stride, n);
    }
    transpose_u8x8(words);
    for (size_t b = 0; b < n; b++) {
        std::memcpy(columns + b * kColumn, &words[b], 8);
    }
}

/// the other way round
void transpose_to_rows(
        const uint8_t* columns,
        size_t n,
        size_t row_stride,
        uint8_t* rows) {
    uint64_t words[8] = {};
    for (size_t b = 0; b < n; b++) {
        std::memcpy(&words[b], columns + b * kColumn, 8);
    }
    transpose_u8x8(words);
    for (size_t i = 0; i < 8; i++) {
        copy_word(rows + i * row_stride, &words[i], n);
    }
}

} // namespace

void ColumnCodes::reserve(size_t count) {
    rows.reserve(get_num_rows(count));
}

void ColumnCodes::grow(size_t count) {
    const size_t nrows = get_num_rows(count);
    if (nrows > rows.capacity()) {
        // little more than is needed, as memory is to be what the codes take; a
        // vector of its own accord doubles
        rows.reserve(std::max(nrows, rows.size() + rows.size() / 32));
    }
}

void ColumnCodes::append(const uint8_t* codes, size_t count) {
    grow(n + count);
    rows.resize(get_num_rows(n + count));
    const size_t end = n + count;
    while (n < end) {
        uint8_t* bytes = get_byte(n);
        if (n % 8 == 0 && n + 8 <= end) {
            for (size_t b = 0; b < code_size; b += 8) {
                transpose_to_columns(
                        codes + b,
                        code_size,
                        std::min<size_t>(8, code_size - b),
                        bytes + b * kColumn);
            }
            codes += 8 * code_size;
            n += 8;
        } else {
            for (size_t b = 0; b < code_size; b++) {
                bytes[b * kColumn] = codes[b];
            }
            codes += code_size;
            n++;
        }
    }
}

void ColumnCodes::append(const ColumnCodes& others) {
    constexpr size_t most = 64 * kColumn;
    grow(n + others.n); // at once, so that nothing changes when it throws
    std::vector<uint8_t> codes(std::min(most, others.n) * code_size);
    for (size_t i = 0; i < others.n; i += most) {
        const size_t count = std::min(most, others.n - i);
        others.read(i, count, codes.data());
        append(codes.data(), count);
    }
}

void ColumnCodes::read(size_t first, size_t count, uint8_t* codes) const {
    const size_t end = first + count;
    for (size_t i = first; i < end;) {
        const uint8_t* bytes = get_group(i / kColumn) + i % kColumn;
        if (i % 8 == 0 && i + 8 <= end) {
            for (size_t b = 0; b < code_size; b += 8) {
                transpose_to_rows(
                        bytes + b * kColumn,
                        std::min<size_t>(8, code_size - b),
                        code_size,
                        codes + b);
            }
            codes += 8 * code_size;
            i += 8;
        } else {
            read_from(0, i, codes);
            codes += code_size;
            i++;
        }
    }
}

void ColumnCodes::copy_within(size_t from, size_t i) {
    const uint8_t* source = get_byte(from);
    uint8_t* target = get_byte(i);
    for (size_t b = 0; b < code_size; b++) {
        target[b * kColumn] = source[b * kColumn];
    }
}

void ColumnCodes::shrink(size_t count) {
    for (size_t i = count; i < n && i % kColumn != 0; i++) {
        uint8_t* bytes = get_byte(i);
        for (size_t b = 0; b < code_size; b++) {
            bytes[b * kColumn] = 0;
        }
    }
    n = count;
    rows.resize(get_num_rows(n));
}

void ColumnCodes::clear() {
    rows = std::vector<TableRow>();
    n = 0;
}

} // namespace faiss_bebr
