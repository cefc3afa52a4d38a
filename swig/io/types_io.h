#pragma once

#include "indexes/IndexBinarySDC.h"
#include "indexes/IndexSDC.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/io.h>

// The fields of each type, one after the other. Readers have to be those of
// payload_read.h; what they return belongs to the caller.

namespace faiss_bebr {

void write_BinarizerTransform(
        const BinarizerTransform* transform,
        faiss::IOWriter* f);
BinarizerTransform* read_BinarizerTransform(faiss::IOReader* f);

/// An untrained index of a binarizer forgets it: the reader of the container
/// has to link them again.
void write_IndexSDC(const IndexSDC* index, faiss::IOWriter* f);
IndexSDC* read_IndexSDC(faiss::IOReader* f);

void write_IndexBinarySDC(const IndexBinarySDC* index, faiss::IOWriter* f);
IndexBinarySDC* read_IndexBinarySDC(faiss::IOReader* f);

} // namespace faiss_bebr
