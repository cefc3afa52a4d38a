// Reading and writing of the types of this module, for faiss_bebr/index_io.

%{
#include <faiss/IndexBinaryFromFloat.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/ThreadedIndex.h>
#include <faiss/impl/io.h>

#include "io/PeekedReader.h"
#include "io/clone_ivf.h"
#include "io/payload_read.h"
#include "io/payload_write.h"
#include "io/stand_ins.h"
#include "io/types_io.h"
%}

%warnfilter(503) faiss::FileIOReader;
%import(module="faiss.swigfaiss") "faiss/impl/io.h"
%import(module="faiss.swigfaiss") "faiss/IndexPreTransform.h"
%import(module="faiss.swigfaiss") "faiss/IndexBinaryFromFloat.h"

%ignore faiss_bebr::kMagic;
%ignore faiss_bebr::PayloadSummary::checksums;
%ignore faiss_bebr::PayloadWriter::target;
%ignore faiss_bebr::PayloadWriter::expected;
%ignore faiss_bebr::PayloadWriter::written;
%ignore faiss_bebr::PayloadWriter::buffer;
%ignore faiss_bebr::CheckedPayload::take;
%ignore faiss_bebr::StreamPayloadReader::source;
%immutable faiss_bebr::CheckedPayload::size;
%immutable faiss_bebr::CheckedPayload::position;
%ignore faiss_bebr::PeekedReader::source;
%ignore faiss_bebr::PeekedReader::first_bytes;
%immutable faiss_bebr::PeekedReader::was_rewound;
%include "std_string.i"
%include "io/PeekedReader.h"
%include "io/payload_write.h"
%include "io/payload_read.h"

%newobject faiss_bebr::read_BinarizerTransform;
%newobject faiss_bebr::read_IndexSDC;
%newobject faiss_bebr::read_IndexIVFSDC;
%newobject faiss_bebr::read_IndexBinarySDC;
%newobject faiss_bebr::read_IndexBinaryIVFSDC;
%include "io/types_io.h"

%newobject faiss_bebr::clone_IndexIVFSDC;
%newobject faiss_bebr::clone_IndexBinaryIVFSDC;
%include "io/clone_ivf.h"

namespace faiss_bebr {
struct StandInIndex : faiss::IndexPreTransform {
    explicit StandInIndex(const faiss::Index* part);
};
struct StandInIndexBinary : faiss::IndexBinaryFromFloat {
    explicit StandInIndexBinary(const faiss::IndexBinary* part);
};
struct StandInTransform : faiss::RemapDimensionsTransform {
    explicit StandInTransform(const faiss::VectorTransform* part);
};
void set_transform(
        faiss::IndexPreTransform* index,
        size_t i,
        faiss::VectorTransform* transform);
}

%inline %{
/// whether an index was linked to a binarizer and is not trained since
bool waits_for_binarizer(const faiss::Index* index) {
    const auto* flat = dynamic_cast<const faiss_bebr::IndexSDC*>(index);
    const auto* ivf = dynamic_cast<const faiss_bebr::IndexIVFSDC*>(index);
    return (flat && flat->binarizer) || (ivf && ivf->binarizer);
}
%}

// Objects that FAISS's functions return have the class that FAISS knows; these
// give the class of this module, or None.
%inline %{
faiss_bebr::IndexSDC* as_IndexSDC(faiss::Index* index) {
    return dynamic_cast<faiss_bebr::IndexSDC*>(index);
}
faiss_bebr::IndexIVFSDC* as_IndexIVFSDC(faiss::Index* index) {
    return dynamic_cast<faiss_bebr::IndexIVFSDC*>(index);
}
faiss_bebr::IndexBinarySDC* as_IndexBinarySDC(faiss::IndexBinary* index) {
    return dynamic_cast<faiss_bebr::IndexBinarySDC*>(index);
}
faiss_bebr::IndexBinaryIVFSDC* as_IndexBinaryIVFSDC(faiss::IndexBinary* index) {
    return dynamic_cast<faiss_bebr::IndexBinaryIVFSDC*>(index);
}
faiss_bebr::BinarizerTransform* as_BinarizerTransform(
        faiss::VectorTransform* transform) {
    return dynamic_cast<faiss_bebr::BinarizerTransform*>(transform);
}
%}

%{
/// FAISS keeps to itself whether shards run in threads.
template <class IndexT>
struct ThreadedIndexAccess : faiss::ThreadedIndex<IndexT> {
    static bool is_threaded(const faiss::ThreadedIndex<IndexT>& index) {
        return index.*(&ThreadedIndexAccess::isThreaded_);
    }
};
%}
%inline %{
/// whether IndexShards or IndexReplicas, binary or not, have a thread each
bool is_threaded(const faiss::Index* index) {
    const auto* group = dynamic_cast<const faiss::ThreadedIndex<faiss::Index>*>(index);
    FAISS_THROW_IF_NOT_MSG(group, "neither shards nor replicas");
    return ThreadedIndexAccess<faiss::Index>::is_threaded(*group);
}
bool is_threaded(const faiss::IndexBinary* index) {
    const auto* group = dynamic_cast<const faiss::ThreadedIndex<faiss::IndexBinary>*>(index);
    FAISS_THROW_IF_NOT_MSG(group, "neither shards nor replicas");
    return ThreadedIndexAccess<faiss::IndexBinary>::is_threaded(*group);
}
%}
