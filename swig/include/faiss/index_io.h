// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <cstddef>
#include <cstdio>

namespace faiss {

struct Index;
struct IndexBinary;
struct InvertedLists;
struct IOReader;
struct IOWriter;
struct VectorTransform;

/// Bits of io_flags; an index type without use for one ignores it.
const int IO_FLAG_SKIP_STORAGE = 1;
const int IO_FLAG_READ_ONLY = 2;
const int IO_FLAG_ONDISK_SAME_DIR = 4;
const int IO_FLAG_SKIP_IVF_DATA = 8;
const int IO_FLAG_SKIP_PRECOMPUTE_TABLE = 16;
const int IO_FLAG_PQ_SKIP_SDC_TABLE = 32;
/// map the inverted lists
const int IO_FLAG_MMAP = 0x646f0000 | IO_FLAG_SKIP_IVF_DATA;
/// map the codes of flat indexes and graphs
const int IO_FLAG_MMAP_IFC = 512;

void write_index(const Index* idx, const char* fname, int io_flags = 0);
void write_index(const Index* idx, FILE* f, int io_flags = 0);
void write_index(const Index* idx, IOWriter* writer, int io_flags = 0);

/// What is read belongs to the caller, and owns all that is inside it.
Index* read_index(const char* fname, int io_flags = 0);
Index* read_index(FILE* f, int io_flags = 0);
Index* read_index(IOReader* reader, int io_flags = 0);

void write_index_binary(const IndexBinary* idx, const char* fname);
void write_index_binary(const IndexBinary* idx, FILE* f);
void write_index_binary(const IndexBinary* idx, IOWriter* writer);

IndexBinary* read_index_binary(const char* fname, int io_flags = 0);
IndexBinary* read_index_binary(FILE* f, int io_flags = 0);
IndexBinary* read_index_binary(IOReader* reader, int io_flags = 0);

void write_VectorTransform(const VectorTransform* vt, const char* fname);
void write_VectorTransform(const VectorTransform* vt, IOWriter* f);

VectorTransform* read_VectorTransform(const char* fname);
VectorTransform* read_VectorTransform(IOReader* f);

void write_InvertedLists(const InvertedLists* ils, IOWriter* f);
InvertedLists* read_InvertedLists(IOReader* reader, int io_flags = 0);

/// Limits on what a file may ask for. Of loops: 0 is none.
size_t get_deserialization_loop_limit();
void set_deserialization_loop_limit(size_t value);
/// bytes of one vector
size_t get_deserialization_vector_byte_limit();
void set_deserialization_vector_byte_limit(size_t value);

} // namespace faiss
