#pragma once

#include "indexes/TableQueries.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** Codes of which 64 lie side by side, as the kernels for columns read them:
 * byte b of code i is at
 *
 *     i / 64 * 64 * code_size + b * 64 + i % 64
 *
 * The places of missing codes in the last group are 0.
 */
struct ColumnCodes {
    size_t code_size;
    size_t n = 0; ///< codes

    explicit ColumnCodes(size_t code_size_in) : code_size(code_size_in) {}

    /// bytes from a group of 64 codes to the next one
    size_t get_stride() const {
        return code_size * kColumn;
    }
    size_t get_num_groups() const {
        return (n + kColumn - 1) / kColumn;
    }
    const uint8_t* get_group(size_t g) const {
        return rows.data()->bytes + g * get_stride();
    }
    /// of memory, with what is reserved for more codes
    size_t get_num_bytes() const {
        return rows.capacity() * sizeof(TableRow);
    }

    /// makes room for so many codes in all, and not for more
    void reserve(size_t count);

    /// @param codes  size count * code_size
    void append(const uint8_t* codes, size_t count);

    void append(const ColumnCodes& others);

    /// @param codes  output, size count * code_size
    void read(size_t first, size_t count, uint8_t* codes) const;

    void read(size_t i, uint8_t* code) const {
        read_from(0, i, code);
    }

    /// the bytes of code i from one on, as those of a whole code
    void read_from(size_t first_byte, size_t i, uint8_t* code) const {
        const uint8_t* bytes = get_group(i / kColumn) + i % kColumn;
        // a copy, as what is written could be any member
        const size_t nbytes = code_size;
#pragma GCC unroll 8
        for (size_t b = first_byte; b < nbytes; b++) {
            code[b] = bytes[b * kColumn];
        }
    }

    /// code i becomes a copy of code `from`
    void copy_within(size_t from, size_t i);

    /// the first `count` codes stay
    void shrink(size_t count);

    /// frees the memory
    void clear();

   private:
    std::vector<TableRow> rows;

    uint8_t* get_byte(size_t i) {
        return rows.data()->bytes + i / kColumn * get_stride() + i % kColumn;
    }
    size_t get_num_rows(size_t count) const {
        return (count + kColumn - 1) / kColumn * code_size;
    }
    /// reserve() with some room where it takes new memory
    void grow(size_t count);
};

} // namespace faiss_bebr
