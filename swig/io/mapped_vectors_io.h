#pragma once

#include "indexes/IndexMappedVectors.h"

#include <faiss/impl/io.h>

namespace faiss_bebr {

/// Where the vectors are, not the vectors: the path of their file as it was
/// given, as FAISS does for lists on disk.
void write_IndexMappedVectors(
        const IndexMappedVectors* index,
        faiss::IOWriter* f);

/// @param io_flags  with IO_FLAG_ONDISK_SAME_DIR the file is looked for in the
///                  folder of the index file, whatever the folder in its path
IndexMappedVectors* read_IndexMappedVectors(faiss::IOReader* f, int io_flags);

} // namespace faiss_bebr
