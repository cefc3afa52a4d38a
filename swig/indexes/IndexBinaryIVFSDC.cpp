#include "indexes/IndexBinaryIVFSDC.h"

#include "codes/check_arguments.h"
#include "indexes/IndexBinarySDC.h"
#include "indexes/ivf_entries.h"
#include "indexes/level_clustering.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <typeinfo>
#include <vector>

namespace faiss_bebr {

namespace {

/// codes assigned to lists at a time
constexpr idx_t kAssignBlock = 65536;

/// the bits per dimension of a quantizer that has any, else 0
int get_nbits(const faiss::IndexBinary& quantizer) {
    if (const auto* flat = dynamic_cast<const IndexBinarySDC*>(&quantizer)) {
        return flat->nbits;
    }
    if (const auto* ivf = dynamic_cast<const IndexBinaryIVFSDC*>(&quantizer)) {
        return ivf->nbits;
    }
    return 0;
}

void check_quantizer(const faiss::IndexBinary* quantizer, size_t d, int nbits) {
    FAISS_THROW_IF_NOT_MSG(quantizer, "the quantizer must not be null");
    FAISS_THROW_IF_NOT_FMT(
            size_t(quantizer->d) == d,
            "the quantizer has d = %d, but codes have %zd bits",
            quantizer->d,
            d);
    const int quantizer_nbits = get_nbits(*quantizer);
    FAISS_THROW_IF_NOT_FMT(
            quantizer_nbits == 0 || quantizer_nbits == nbits,
            "the quantizer has nbits = %d, but codes have %d",
            quantizer_nbits,
            nbits);
}

} // namespace

IndexBinaryIVFSDC::IndexBinaryIVFSDC(
        faiss::IndexBinary* quantizer_in,
        size_t d_in,
        size_t nlist_in,
        int nbits_in,
        faiss::MetricType metric,
        bool own_invlists_in)
        : IndexBinary(d_in, metric),
          nbits(nbits_in),
          own_invlists(own_invlists_in),
          quantizer(quantizer_in),
          nlist(nlist_in) {
    check_binary_shape(d_in, nbits, metric);
    layout = PlaneLayout::uniform(static_cast<int>(d_in / nbits), nbits);
    check_quantizer(quantizer, d_in, nbits);
    FAISS_THROW_IF_NOT_FMT(
            nlist > 0 && nlist <= INT_MAX,
            "nlist must be in 1..%d, got %zd",
            INT_MAX,
            nlist);
    is_trained = quantizer->is_trained && quantizer->ntotal == idx_t(nlist);
    cp.niter = 10;
    if (own_invlists) {
        invlists = new faiss::ArrayInvertedLists(nlist, code_size);
    }
}

IndexBinaryIVFSDC::~IndexBinaryIVFSDC() {
    if (own_invlists) {
        delete invlists;
    }
    if (own_fields) {
        delete quantizer;
    }
}

void IndexBinaryIVFSDC::check_ready() const {
    FAISS_THROW_IF_NOT_MSG(quantizer, "the quantizer must not be null");
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(invlists, "the index has no inverted lists");
}

void IndexBinaryIVFSDC::train(idx_t n, const uint8_t* x) {
    FAISS_THROW_IF_NOT_MSG(quantizer, "the quantizer must not be null");
    if (quantizer->is_trained && quantizer->ntotal == idx_t(nlist)) {
        is_trained = true;
        return;
    }
    FAISS_THROW_IF_NOT_FMT(
            n >= idx_t(nlist),
            "nlist = %zd needs as many training vectors at least, got %zd",
            nlist,
            size_t(n));
    FAISS_THROW_IF_NOT_MSG(
            !cp.spherical, "levels have no spherical centroids: cp.spherical");
    if (verbose) {
        std::printf(
                "Training the quantizer on %zd codes of %d levels\n",
                size_t(n),
                layout.dim());
        std::fflush(stdout);
    }
    const std::vector<uint8_t> centroids =
            cluster_levels(layout, n, x, nlist, cp, clustering_index);
    quantizer->reset();
    if (!quantizer->is_trained) {
        quantizer->train(nlist, centroids.data());
    }
    quantizer->add(nlist, centroids.data());
    quantizer->is_trained = true;
    is_trained = true;
}

/***************************** changes *******************************/

void IndexBinaryIVFSDC::add(idx_t n, const uint8_t* x) {
    add_with_ids(n, x, nullptr);
}

void IndexBinaryIVFSDC::add_with_ids(
        idx_t n,
        const uint8_t* x,
        const idx_t* xids) {
    add_core(n, x, xids, nullptr);
}

void IndexBinaryIVFSDC::add_core(
        idx_t n,
        const uint8_t* x,
        const idx_t* xids,
        const idx_t* precomputed_idx) {
    check_ready();
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    std::vector<idx_t> found;
    if (!precomputed_idx) {
        found.resize(n);
        for (idx_t i = 0; i < n; i += kAssignBlock) {
            quantizer->assign(
                    std::min(kAssignBlock, n - i),
                    x + i * code_size,
                    found.data() + i);
            faiss::InterruptCallback::check();
        }
        precomputed_idx = found.data();
    }
    check_list_nos(n, precomputed_idx);
    add_entries(*invlists, direct_map, ntotal, n, precomputed_idx, xids, x);
    ntotal += n;
    if (verbose) {
        std::printf("added %zd codes\n", size_t(n));
        std::fflush(stdout);
    }
}

void IndexBinaryIVFSDC::check_list_nos(idx_t n, const idx_t* list_nos) const {
    for (idx_t i = 0; i < n; i++) {
        FAISS_THROW_IF_NOT_FMT(
                list_nos[i] < idx_t(nlist),
                "code %zd is for list %zd of %zd",
                size_t(i),
                size_t(list_nos[i]),
                nlist);
    }
}

void IndexBinaryIVFSDC::reset() {
    FAISS_THROW_IF_NOT_MSG(invlists, "the index has no inverted lists");
    invlists->reset();
    direct_map.clear();
    ntotal = 0;
}

size_t IndexBinaryIVFSDC::remove_ids(const faiss::IDSelector& sel) {
    check_ready();
    const size_t nremove = remove_entries(*invlists, direct_map, sel);
    ntotal -= nremove;
    return nremove;
}

void IndexBinaryIVFSDC::check_compatible_for_merge(
        const faiss::IndexBinary& otherIndex) const {
    const auto* other = dynamic_cast<const IndexBinaryIVFSDC*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(
            other && typeid(*this) == typeid(*other),
            "can only merge indexes of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "cannot merge an index into itself");
    check_ready();
    other->check_ready();
    FAISS_THROW_IF_NOT_FMT(
            layout == other->layout,
            "codes differ: m and nbits are %d and %d here, %d and %d there",
            layout.dim(),
            nbits,
            other->layout.dim(),
            other->nbits);
    FAISS_THROW_IF_NOT_MSG(metric_type == other->metric_type, "metrics differ");
    FAISS_THROW_IF_NOT_FMT(
            nlist == other->nlist,
            "nlist differs: %zd here, %zd there",
            nlist,
            other->nlist);
    FAISS_THROW_IF_NOT_MSG(
            direct_map.no() && other->direct_map.no(),
            "indexes with a direct map cannot be merged");
    if (quantizer == other->quantizer ||
        !faiss::check_compatible_for_merge_expensive_check) {
        return;
    }
    std::vector<uint8_t> here(code_size);
    std::vector<uint8_t> there(code_size);
    for (size_t i = 0; i < nlist; i++) {
        quantizer->reconstruct(i, here.data());
        other->quantizer->reconstruct(i, there.data());
        FAISS_THROW_IF_NOT_FMT(
                here == there, "the quantizers differ in centroid %zd", i);
    }
}

void IndexBinaryIVFSDC::merge_from(
        faiss::IndexBinary& otherIndex,
        idx_t add_id) {
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexBinaryIVFSDC&>(otherIndex);
    move_entries(*invlists, *other.invlists, add_id);
    ntotal += other.ntotal;
    other.ntotal = 0;
}

/************************** inverted lists ***************************/

size_t IndexBinaryIVFSDC::get_list_size(size_t list_no) const {
    FAISS_THROW_IF_NOT_MSG(invlists, "the index has no inverted lists");
    FAISS_THROW_IF_NOT_FMT(
            list_no < nlist, "there is no list %zd of %zd", list_no, nlist);
    return invlists->list_size(list_no);
}

void IndexBinaryIVFSDC::make_direct_map(bool new_maintain_direct_map) {
    set_direct_map_type(
            new_maintain_direct_map ? faiss::DirectMap::Array
                                    : faiss::DirectMap::NoMap);
}

void IndexBinaryIVFSDC::set_direct_map_type(faiss::DirectMap::Type type) {
    FAISS_THROW_IF_NOT_MSG(invlists, "the index has no inverted lists");
    // what fails half-way leaves the present map
    faiss::DirectMap map;
    if (type != direct_map.type) {
        map.set_type(type, invlists, ntotal);
        std::swap(direct_map, map);
    }
}

void IndexBinaryIVFSDC::replace_invlists(faiss::InvertedLists* il, bool own) {
    FAISS_THROW_IF_NOT_MSG(il, "the inverted lists must not be null");
    FAISS_THROW_IF_NOT_FMT(
            il->nlist == nlist && il->code_size == size_t(code_size),
            "there must be %zd lists of %d bytes per code, not %zd of %zd",
            nlist,
            code_size,
            il->nlist,
            il->code_size);
    if (own_invlists && il != invlists) {
        delete invlists;
    }
    invlists = il;
    own_invlists = own;
}

} // namespace faiss_bebr
