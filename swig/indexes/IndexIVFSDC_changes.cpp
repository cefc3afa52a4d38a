// What adds, moves and removes the entries of IndexIVFSDC.

#include "codes/check_arguments.h"
#include "indexes/IndexIVFSDC.h"
#include "indexes/ivf_entries.h"

#include <faiss/impl/FaissAssert.h>

#include <cstdio>
#include <typeinfo>

namespace faiss_bebr {

using faiss::InvertedLists;

void IndexIVFSDC::add_with_ids(idx_t n, const float* x, const idx_t* xids) {
    check_ready();
    check_finite(n, d, x);
    IndexIVF::add_with_ids(n, x, xids);
}

void IndexIVFSDC::add_core(
        idx_t n,
        const float* x,
        const idx_t* xids,
        const idx_t* precomputed_idx,
        void* inverted_list_context) {
    check_ready();
    std::vector<uint8_t> codes(n * code_size);
    encode_vectors(n, x, precomputed_idx, codes.data());
    add_entries(
            *invlists,
            direct_map,
            ntotal,
            n,
            precomputed_idx,
            xids,
            codes.data(),
            inverted_list_context);
    ntotal += n;
    if (verbose) {
        std::printf("    added %zd vectors\n", size_t(n));
        std::fflush(stdout);
    }
}

void IndexIVFSDC::add_sa_codes(
        idx_t n,
        const uint8_t* codes,
        const idx_t* xids) {
    check_ready();
    std::vector<idx_t> list_nos(n);
    std::vector<uint8_t> bare(n * code_size);
    split_list_nos(n, codes, list_nos.data(), bare.data());
    add_entries(
            *invlists,
            direct_map,
            ntotal,
            n,
            list_nos.data(),
            xids,
            bare.data());
    ntotal += n;
}

void IndexIVFSDC::reset() {
    FAISS_THROW_IF_NOT_MSG(invlists, "the index has no inverted lists");
    IndexIVF::reset();
}

size_t IndexIVFSDC::remove_ids(const faiss::IDSelector& sel) {
    check_ready();
    const size_t nremove = remove_entries(*invlists, direct_map, sel);
    ntotal -= nremove;
    return nremove;
}

void IndexIVFSDC::update_vectors(int nv, const idx_t* idx, const float* v) {
    check_ready();
    FAISS_THROW_IF_NOT_MSG(
            !direct_map.no(), "updating vectors needs a direct map");
    check_finite(nv, d, v);
    std::vector<idx_t> list_nos(nv);
    quantizer->assign(nv, v, list_nos.data());
    check_list_nos(nv, list_nos.data(), 0);
    std::vector<uint8_t> codes(nv * code_size);
    encode_vectors(nv, v, list_nos.data(), codes.data());
    update_entries(
            *invlists, direct_map, nv, idx, list_nos.data(), codes.data());
}

void IndexIVFSDC::check_codec(const faiss::Index& otherIndex) const {
    const auto* other = dynamic_cast<const IndexIVFSDC*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(
            other && typeid(*this) == typeid(*other),
            "the other index must be of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "the other index is this one");
    sdc.check_compatible(other->sdc);
    FAISS_THROW_IF_NOT_MSG(
            by_residual == other->by_residual,
            "one index has codes of residuals, the other has not");
}

void IndexIVFSDC::check_compatible_for_merge(
        const faiss::Index& otherIndex) const {
    check_codec(otherIndex);
    check_ready();
    static_cast<const IndexIVFSDC&>(otherIndex).check_ready();
    IndexIVF::check_compatible_for_merge(otherIndex);
}

void IndexIVFSDC::merge_from(faiss::Index& otherIndex, idx_t add_id) {
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexIVFSDC&>(otherIndex);
    move_entries(*invlists, *other.invlists, add_id);
    ntotal += other.ntotal;
    other.ntotal = 0;
}

namespace {

/// what FAISS would divide by, or read beyond the lists
void check_subset(
        size_t nentries,
        InvertedLists::subset_type_t type,
        idx_t a1,
        idx_t a2) {
    FAISS_THROW_IF_NOT_FMT(
            type != InvertedLists::SUBSET_TYPE_ID_MOD || a1 > 0,
            "a1 must be positive, got %zd",
            size_t(a1));
    FAISS_THROW_IF_NOT_FMT(
            type != InvertedLists::SUBSET_TYPE_INVLIST_FRACTION ||
                    (a2 >= 0 && a2 < a1),
            "there is no part %zd of %zd",
            size_t(a2),
            size_t(a1));
    FAISS_THROW_IF_NOT_FMT(
            type != InvertedLists::SUBSET_TYPE_ELEMENT_RANGE ||
                    (a1 >= 0 && a1 <= a2 && a2 <= idx_t(nentries)),
            "there are no entries %zd..%zd of %zd",
            size_t(a1),
            size_t(a2),
            nentries);
}

} // namespace

void IndexIVFSDC::copy_subset_to(
        faiss::IndexIVF& other,
        InvertedLists::subset_type_t subset_type,
        idx_t a1,
        idx_t a2) const {
    check_codec(other);
    check_ready();
    static_cast<const IndexIVFSDC&>(other).check_ready();
    FAISS_THROW_IF_NOT_MSG(
            other.direct_map.no(), "the other index has a direct map");
    FAISS_THROW_IF_NOT_MSG(
            other.invlists != invlists, "the indexes share inverted lists");
    const size_t nentries = invlists->compute_ntotal();
    check_subset(nentries, subset_type, a1, a2);
    if (nentries > 0) { // FAISS divides by it
        IndexIVF::copy_subset_to(other, subset_type, a1, a2);
    }
}

} // namespace faiss_bebr
