// Reading and writing of the types of this module, for faiss_bebr/index_io.

%{
#include <faiss/IndexHNSW.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/ThreadedIndex.h>
#include <faiss/impl/io.h>

#include "indexes/SDCGraph.h"
#include "io/ByteCounter.h"
#include "io/ContainerShell.h"
#include "io/PeekedReader.h"
#include "io/clone_ivf.h"
#include "io/consistency.h"
#include "io/fields.h"
#include "io/ivf_io.h"
#include "io/mapped_vectors_io.h"
#include "io/payload_read.h"
#include "io/payload_write.h"
#include "io/types_io.h"
%}

%warnfilter(503) faiss::FileIOReader;
%import(module="faiss.swigfaiss") "faiss/impl/io.h"
%import(module="faiss.swigfaiss") "faiss/IndexPreTransform.h"

%ignore faiss_bebr::kMagic;
%ignore faiss_bebr::PayloadSummary::checksums;
%ignore faiss_bebr::PayloadWriter::target;
%ignore faiss_bebr::PayloadWriter::expected;
%ignore faiss_bebr::PayloadWriter::written;
%ignore faiss_bebr::PayloadWriter::buffer;
%ignore faiss_bebr::CheckedPayload::take;
%ignore faiss_bebr::StreamPayloadReader::source;
%immutable faiss_bebr::CheckedPayload::size;
%immutable faiss_bebr::CheckedPayload::is_complete;
%immutable faiss_bebr::ByteCounter::size;
%ignore faiss_bebr::PeekedReader::source;
%immutable faiss_bebr::PeekedReader::first_bytes;
%immutable faiss_bebr::PeekedReader::was_rewound;
%include "io/ByteCounter.h"
%include "io/PeekedReader.h"
%include "io/payload_write.h"
%include "io/payload_read.h"

%newobject faiss_bebr::read_BinarizerTransform;
%newobject faiss_bebr::read_IndexSDC;
%newobject faiss_bebr::read_IndexSDCFastScan;
%newobject faiss_bebr::read_IndexIVFSDC;
%newobject faiss_bebr::read_IndexBinarySDC;
%newobject faiss_bebr::read_IndexBinaryIVFSDC;
%newobject faiss_bebr::read_IndexMappedVectors;
%include "io/types_io.h"
%include "io/mapped_vectors_io.h"

%newobject faiss_bebr::clone_IndexIVFSDC;
%newobject faiss_bebr::clone_IndexBinaryIVFSDC;
%include "io/clone_ivf.h"

%newobject faiss_bebr::make_graph;
%newobject faiss_bebr::take_over_graph;
namespace faiss_bebr {
faiss::IndexHNSW* make_graph(IndexSDC* storage, int M);
bool is_graph(const faiss::Index* index);
bool is_stock_graph(const faiss::Index* index);
faiss::IndexHNSW* take_over_graph(faiss::IndexHNSW* index);
}

%include "io/ContainerShell.h"
%template(IndexShell) faiss_bebr::ContainerShell<faiss::Index>;
%template(IndexBinaryShell) faiss_bebr::ContainerShell<faiss::IndexBinary>;

%include "io/consistency.h"
namespace faiss_bebr {
bool is_plausible_nlist(size_t nlist, faiss::idx_t ncentroids);
uint64_t empty_lists_bytes(uint64_t nlist);
}

%inline %{
/// all bytes of a payload up to a place, in memory
void read_into_memory(faiss::IOReader* payload, uint64_t n, faiss::VectorIOReader* memory) {
    memory->data = faiss_bebr::read_array<uint8_t>(*payload, n);
}
%}

// Objects that FAISS's functions return have the class that FAISS knows; these
// give the class of this module, or None.
%inline %{
faiss_bebr::IndexSDC* as_IndexSDC(faiss::Index* index) {
    return dynamic_cast<faiss_bebr::IndexSDC*>(index);
}
faiss_bebr::IndexSDCFastScan* as_IndexSDCFastScan(faiss::Index* index) {
    return dynamic_cast<faiss_bebr::IndexSDCFastScan*>(index);
}
faiss_bebr::IndexIVFSDC* as_IndexIVFSDC(faiss::Index* index) {
    return dynamic_cast<faiss_bebr::IndexIVFSDC*>(index);
}
faiss_bebr::IndexMappedVectors* as_IndexMappedVectors(faiss::Index* index) {
    return dynamic_cast<faiss_bebr::IndexMappedVectors*>(index);
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

// FAISS's own downcast leaves this class out.
%{
namespace faiss {
template <class IndexT>
struct IndexShardsTemplate;
}
using IndexBinaryShards = faiss::IndexShardsTemplate<faiss::IndexBinary>;
%}
%inline %{
faiss::IndexShardsTemplate<faiss::IndexBinary>* as_IndexBinaryShards(
        faiss::IndexBinary* index) {
    using Threaded = faiss::ThreadedIndex<faiss::IndexBinary>;
    const std::string name = index ? typeid(*index).name() : "";
    // the class is only known by its name here, and its base comes first in it
    return name.find("IndexShardsTemplate") == std::string::npos
            ? nullptr
            : reinterpret_cast<IndexBinaryShards*>(
                      dynamic_cast<Threaded*>(index));
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
