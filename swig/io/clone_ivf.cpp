#include "io/clone_ivf.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/invlists/InvertedLists.h>

#include <memory>

namespace faiss_bebr {

namespace {

std::unique_ptr<faiss::InvertedLists> clone_lists(
        const faiss::InvertedLists* lists) {
    if (!lists) {
        return nullptr;
    }
    const auto* arrays = dynamic_cast<const faiss::ArrayInvertedLists*>(lists);
    FAISS_THROW_IF_NOT_MSG(
            arrays, "clone not supported for this type of inverted lists");
    return std::make_unique<faiss::ArrayInvertedLists>(*arrays);
}

} // namespace

IndexIVFSDC* clone_IndexIVFSDC(
        const IndexIVFSDC& index,
        faiss::Index* quantizer) {
    std::unique_ptr<faiss::InvertedLists> lists = clone_lists(index.invlists);
    auto copy = std::make_unique<IndexIVFSDC>(index);
    // until here it shares these, and would delete them
    copy->quantizer = quantizer;
    copy->own_fields = false;
    copy->invlists = lists.release();
    copy->own_invlists = true;
    copy->clustering_index = nullptr; // nobody says how long it lives
    return copy.release();
}

IndexBinaryIVFSDC* clone_IndexBinaryIVFSDC(
        const IndexBinaryIVFSDC& index,
        faiss::IndexBinary* quantizer) {
    auto copy = std::make_unique<IndexBinaryIVFSDC>(
            quantizer,
            index.d,
            index.nlist,
            index.nbits,
            index.metric_type,
            false);
    copy->ntotal = index.ntotal;
    copy->verbose = index.verbose;
    copy->is_trained = index.is_trained;
    copy->nprobe = index.nprobe;
    copy->max_codes = index.max_codes;
    copy->direct_map = index.direct_map;
    copy->cp = index.cp;
    copy->invlists = clone_lists(index.invlists).release();
    copy->own_invlists = true;
    return copy.release();
}

} // namespace faiss_bebr
