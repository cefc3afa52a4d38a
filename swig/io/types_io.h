#pragma once

#include "indexes/IndexBinaryIVFSDC.h"
#include "indexes/IndexBinarySDC.h"
#include "indexes/IndexIVFSDC.h"
#include "indexes/IndexSDC.h"
#include "indexes/IndexSDCFastScan.h"
#include "transform/BinarizerTransform.h"

#include <faiss/IndexFlatCodes.h>
#include <faiss/impl/io.h>

// The fields of each type, one after the other. Readers have to be those of
// payload_read.h; what they return belongs to the caller.

namespace faiss_bebr {

void write_BinarizerTransform(
        const BinarizerTransform* transform,
        faiss::IOWriter* f);
BinarizerTransform* read_BinarizerTransform(faiss::IOReader* f);

/** Links an index anew that was linked to a binarizer and not trained since, as
 * the copy of one; others stay as they are.
 * @param binarizer  nullptr: there is none, and the index has to be linked to
 *                   one before it is trained
 */
void relink_binarizer(faiss::Index* index, const BinarizerTransform* binarizer);

/// An index that is read before it was linked to a binarizer and trained cannot
/// be trained before it is linked again.
void write_IndexSDC(const IndexSDC* index, faiss::IOWriter* f);
IndexSDC* read_IndexSDC(faiss::IOReader* f);

/// the codes one after the other, so that files do not depend on how many lie
/// side by side
void write_IndexSDCFastScan(const IndexSDCFastScan* index, faiss::IOWriter* f);
IndexSDCFastScan* read_IndexSDCFastScan(faiss::IOReader* f);

/// ntotal and codes of an index of FAISS's; the rest of it is not written
void write_flat_codes(const faiss::IndexFlatCodes* index, faiss::IOWriter* f);

/// puts codes into an empty index, as a view if the payload is mapped
void read_flat_codes(faiss::IndexFlatCodes* index, faiss::IOReader* f);

/// without the quantizer
/// @param as_arrays  see ivf_io.h
void write_IndexIVFSDC(
        const IndexIVFSDC* index,
        faiss::IOWriter* f,
        bool as_arrays);

/// @param quantizer  not owned by the index
/// @param io_flags   see faiss::read_index
IndexIVFSDC* read_IndexIVFSDC(
        faiss::IOReader* f,
        faiss::Index* quantizer,
        int io_flags);

void write_IndexBinarySDC(const IndexBinarySDC* index, faiss::IOWriter* f);
IndexBinarySDC* read_IndexBinarySDC(faiss::IOReader* f);

/// see write_IndexIVFSDC()
void write_IndexBinaryIVFSDC(
        const IndexBinaryIVFSDC* index,
        faiss::IOWriter* f,
        bool as_arrays);

/// see read_IndexIVFSDC()
IndexBinaryIVFSDC* read_IndexBinaryIVFSDC(
        faiss::IOReader* f,
        faiss::IndexBinary* quantizer,
        int io_flags);

} // namespace faiss_bebr
