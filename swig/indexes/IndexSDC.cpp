#include "indexes/IndexSDC.h"

#include "codes/check_arguments.h"
#include "indexes/compact_rows.h"
#include "indexes/sdc_queries.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>

#include <typeinfo>
#include <utility>

namespace faiss_bebr {

IndexSDC::IndexSDC(const SDCQuantizer& sdc_in) : sdc(sdc_in) {
    d = sdc.dim();
    metric_type = sdc.metric_type;
    code_size = sdc.code_size();
    is_trained = sdc.ncentroids == 0 && sdc.scale_bytes == 2;
}

IndexSDC::IndexSDC(
        const std::vector<int>& plane_widths,
        faiss::MetricType metric,
        int d_in,
        size_t ncentroids)
        : IndexSDC(SDCQuantizer(plane_widths, metric, d_in, ncentroids)) {}

IndexSDC::IndexSDC(int m, int nbits, faiss::MetricType metric)
        : IndexSDC(PlaneLayout::uniform(m, nbits).plane_widths, metric) {}

IndexSDC::IndexSDC(
        const BinarizerTransform& binarizer_in,
        int nbits,
        faiss::MetricType metric)
        : IndexSDC(SDCQuantizer(binarizer_in, nbits, metric)) {
    is_trained = false;
    link_binarizer(binarizer_in);
    follows_binarizer = nbits == 0 && !binarizer_in.is_trained;
}

IndexSDC::IndexSDC(
        const BinarizerTransform& binarizer_in,
        const std::vector<int>& plane_widths,
        faiss::MetricType metric,
        size_t ncentroids)
        : IndexSDC(SDCQuantizer(
                  binarizer_in,
                  plane_widths,
                  metric,
                  ncentroids)) {
    is_trained = false;
    link_binarizer(binarizer_in);
}

void IndexSDC::link_binarizer(const BinarizerTransform& binarizer_in) {
    FAISS_THROW_IF_NOT_MSG(
            !is_trained && ntotal == 0,
            "only an untrained and empty index is linked to a binarizer");
    sdc.check_fits(binarizer_in);
    binarizer = &binarizer_in;
    if (binarizer->is_trained && !sdc.needs_training(*binarizer)) {
        train(0, nullptr);
    }
}

void IndexSDC::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes belong to the present query map");
    sdc.set_query_map(weight, offset);
}

void IndexSDC::set_error_weight(const std::vector<float>& weight) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present weights of errors");
    FAISS_THROW_IF_NOT_MSG(
            !binarizer, "the weights of errors are those of the binarizer");
    sdc.set_error_weight(weight);
}

void IndexSDC::set_scale_type(ScaleType type) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present type of scale");
    FAISS_THROW_IF_NOT_MSG(
            !(sdc.ncentroids > 0 && type == Scale_cosine),
            "residuals differ in length, which Scale_cosine does not keep");
    if (type == sdc.scale_type) {
        return;
    }
    sdc.scale_type = type;
    if (sdc.has_scale_values()) {
        sdc.set_scale_bytes(1); // forgets the values
        is_trained = false;
    }
}

void IndexSDC::set_scale_bytes(size_t nbytes) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present scales");
    FAISS_THROW_IF_NOT_MSG(
            !follows_binarizer, "the scales are those that training chooses");
    if (nbytes == sdc.scale_bytes) {
        return;
    }
    sdc.set_scale_bytes(nbytes);
    code_size = sdc.code_size();
    const bool born_trained =
            !binarizer && sdc.ncentroids == 0 && sdc.has_plain_range();
    is_trained = nbytes == 2 && (is_trained || born_trained);
}

void IndexSDC::train(idx_t n, const float* x) {
    if (is_trained) {
        return;
    }
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes were made in the present way");
    SDCQuantizer trained = sdc;
    if (binarizer) {
        if (follows_binarizer && binarizer->is_trained) {
            trained.take_shape(*binarizer);
        }
        trained.take_query_map(*binarizer);
    }
    if (!binarizer || trained.needs_training(*binarizer)) {
        FAISS_THROW_IF_NOT_MSG(n > 0, "no training vectors");
        trained.train(n, x, cp);
    }
    sdc = std::move(trained);
    code_size = sdc.code_size();
    binarizer = nullptr;
    follows_binarizer = false;
    is_trained = true;
}

void IndexSDC::add(idx_t n, const float* x) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    std::vector<uint8_t> fresh(n * code_size);
    sa_encode(n, x, fresh.data());
    add_sa_codes(n, fresh.data(), nullptr);
}

void IndexSDC::add_sa_codes(
        idx_t n,
        const uint8_t* codes_in,
        const idx_t* xids) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    sdc.check_trained();
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    check_owned(codes);
    sdc.check_codes(n, codes_in);
    IndexFlatCodes::add_sa_codes(n, codes_in, xids);
}

void IndexSDC::reset() {
    codes = faiss::MaybeOwnedVector<uint8_t>();
    ntotal = 0;
}

size_t IndexSDC::remove_ids(const faiss::IDSelector& sel) {
    check_owned(codes);
    const idx_t kept = compact_rows(codes.data(), code_size, ntotal, sel);
    const size_t nremove = ntotal - kept;
    ntotal = kept;
    codes.resize(ntotal * code_size);
    return nremove;
}

void IndexSDC::sa_encode(idx_t n, const float* x, uint8_t* bytes) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    sdc.compute_codes(x, bytes, n);
}

void IndexSDC::sa_decode(idx_t n, const uint8_t* bytes, float* x) const {
    sdc.check_codes(n, bytes);
    sdc.decode(bytes, x, n);
}

void IndexSDC::reconstruct_n(idx_t i0, idx_t ni, float* recons) const {
    check_id_range(i0, ni, ntotal);
    sa_decode(ni, codes.data() + i0 * code_size, recons);
}

void IndexSDC::quantize_queries(idx_t n, const float* x, float* q) const {
    LevelQueries queries;
    queries.set(sdc, n, x, true);
    std::copy(queries.decoded.begin(), queries.decoded.end(), q);
}

void IndexSDC::check_compatible_for_merge(
        const faiss::Index& otherIndex) const {
    const auto* other = dynamic_cast<const IndexSDC*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(
            other && typeid(*this) == typeid(*other),
            "can only merge indexes of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "cannot merge an index into itself");
    sdc.check_compatible(other->sdc);
}

void IndexSDC::merge_from(faiss::Index& otherIndex, idx_t add_id) {
    FAISS_THROW_IF_NOT_MSG(add_id == 0, "cannot set ids in IndexSDC");
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexSDC&>(otherIndex);
    add_sa_codes(other.ntotal, other.codes.data(), nullptr);
    other.reset();
}

} // namespace faiss_bebr
