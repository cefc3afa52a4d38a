// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace faiss {

/// Where an index is read from, front to back, as with fread.
struct IOReader {
    /// for error messages
    std::string name;

    /// returns how many of the nitems were read, fewer at the end
    virtual size_t operator()(void* ptr, size_t size, size_t nitems) = 0;
    /// for mmap; throws if there is no file
    virtual int filedescriptor();
    virtual ~IOReader() {}
};

/// Where an index is written to, as with fwrite.
struct IOWriter {
    /// for error messages
    std::string name;

    /// returns how many of the nitems were written
    virtual size_t operator()(const void* ptr, size_t size, size_t nitems) = 0;
    /// throws if there is no file
    virtual int filedescriptor();
    /// a last flush may fail
    virtual ~IOWriter() noexcept(false) {}
};

struct VectorIOReader : IOReader {
    std::vector<uint8_t> data;
    size_t rp = 0; ///< the next byte to be read

    size_t operator()(void* ptr, size_t size, size_t nitems) override;
};

struct VectorIOWriter : IOWriter {
    std::vector<uint8_t> data;

    size_t operator()(const void* ptr, size_t size, size_t nitems) override;
};

struct FileIOReader : IOReader {
    FILE* f = nullptr;
    bool need_close = false;

    /// the caller closes the file
    explicit FileIOReader(FILE* rf);
    explicit FileIOReader(const char* fname);
    ~FileIOReader() override;

    size_t operator()(void* ptr, size_t size, size_t nitems) override;
    int filedescriptor() override;
};

struct FileIOWriter : IOWriter {
    FILE* f = nullptr;
    bool need_close = false;

    /// the caller closes the file
    explicit FileIOWriter(FILE* wf);
    explicit FileIOWriter(const char* fname);
    ~FileIOWriter() override;

    size_t operator()(const void* ptr, size_t size, size_t nitems) override;
    int filedescriptor() override;
};

/// Reads from another reader in blocks of bsz bytes; does not own it.
struct BufferedIOReader : IOReader {
    IOReader* reader;
    size_t bsz;
    size_t ofs;  ///< bytes taken from the reader
    size_t ofs2; ///< bytes given to the caller
    size_t b0;   ///< b0 .. b1: what the buffer still has
    size_t b1;
    std::vector<char> buffer;

    explicit BufferedIOReader(IOReader* reader, size_t bsz = 1024 * 1024);

    size_t operator()(void* ptr, size_t size, size_t nitems) override;
};

/// Writes to another writer in blocks of bsz bytes, the last one when it is
/// destroyed; does not own it.
struct BufferedIOWriter : IOWriter {
    IOWriter* writer;
    size_t bsz;
    size_t ofs;  ///< bytes given to the writer
    size_t ofs2; ///< bytes taken from the caller
    size_t b0;   ///< bytes in the buffer
    std::vector<char> buffer;

    explicit BufferedIOWriter(IOWriter* writer, size_t bsz = 1024 * 1024);
    ~BufferedIOWriter() override;

    size_t operator()(const void* ptr, size_t size, size_t nitems) override;
};

/// Four characters as the number that index files have, first one lowest.
uint32_t fourcc(const char sx[4]);
uint32_t fourcc(const std::string& sx);
void fourcc_inv(uint32_t x, char str[5]);
std::string fourcc_inv(uint32_t x);
/// characters that cannot be printed are escaped
std::string fourcc_inv_printable(uint32_t x);

} // namespace faiss
