#include "indexes/IndexIVFSDC.h"

#include "codes/check_arguments.h"
#include "indexes/parallel_for.h"
#include "transform/BinarizerTransform.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cstring>

namespace faiss_bebr {

namespace {

/// what the base class does not check before it uses it
faiss::Index* check_quantizer(faiss::Index* quantizer, int d, size_t nlist) {
    FAISS_THROW_IF_NOT_MSG(quantizer, "the quantizer must not be null");
    FAISS_THROW_IF_NOT_FMT(
            quantizer->d == d,
            "the quantizer has d = %d, but codes have %d dimensions",
            quantizer->d,
            d);
    FAISS_THROW_IF_NOT_MSG(nlist > 0, "nlist must be positive");
    return quantizer;
}

/// @param d  any size_t, as callers come with FAISS's type
std::vector<int> uniform_widths(size_t d, int nbits) {
    FAISS_THROW_IF_NOT_FMT(
            d <= size_t(PlaneLayout::max_dim),
            "d must be a plane's width, at most %d, got %zd",
            PlaneLayout::max_dim,
            d);
    return PlaneLayout::uniform(int(d), nbits).plane_widths;
}

} // namespace

IndexIVFSDC::IndexIVFSDC(
        faiss::Index* quantizer_in,
        const SDCQuantizer& sdc_in,
        size_t nlist_in,
        bool own_invlists_in)
        : IndexIVF(
                  check_quantizer(quantizer_in, sdc_in.dim(), nlist_in),
                  sdc_in.dim(),
                  nlist_in,
                  sdc_in.code_size(),
                  sdc_in.metric_type,
                  own_invlists_in),
          sdc(sdc_in) {
    by_residual = false;
}

IndexIVFSDC::IndexIVFSDC(
        faiss::Index* quantizer_in,
        size_t d_in,
        size_t nlist_in,
        int nbits,
        faiss::MetricType metric,
        bool own_invlists_in)
        : IndexIVFSDC(
                  quantizer_in,
                  SDCQuantizer(uniform_widths(d_in, nbits), metric),
                  nlist_in,
                  own_invlists_in) {}

IndexIVFSDC::IndexIVFSDC(
        faiss::Index* quantizer_in,
        const std::vector<int>& plane_widths,
        size_t nlist_in,
        faiss::MetricType metric,
        bool own_invlists_in,
        int d_in)
        : IndexIVFSDC(
                  quantizer_in,
                  SDCQuantizer(plane_widths, metric, d_in),
                  nlist_in,
                  own_invlists_in) {}

IndexIVFSDC::IndexIVFSDC(
        faiss::Index* quantizer_in,
        const BinarizerTransform& binarizer_in,
        int nbits,
        size_t nlist_in,
        faiss::MetricType metric,
        bool own_invlists_in)
        : IndexIVFSDC(
                  quantizer_in,
                  SDCQuantizer(binarizer_in, nbits, metric, false),
                  nlist_in,
                  own_invlists_in) {
    take_binarizer(binarizer_in);
    follows_binarizer = nbits == 0 && !binarizer_in.is_trained;
}

IndexIVFSDC::IndexIVFSDC(
        faiss::Index* quantizer_in,
        const BinarizerTransform& binarizer_in,
        const std::vector<int>& plane_widths,
        size_t nlist_in,
        faiss::MetricType metric,
        bool own_invlists_in)
        : IndexIVFSDC(
                  quantizer_in,
                  SDCQuantizer(binarizer_in, plane_widths, metric),
                  nlist_in,
                  own_invlists_in) {
    take_binarizer(binarizer_in);
}

/// what constructors do with it
void IndexIVFSDC::take_binarizer(const BinarizerTransform& binarizer_in) {
    learn_range = sdc.needs_training(binarizer_in);
    if (learn_range || !binarizer_in.is_trained) {
        is_trained = false;
    }
    if (binarizer_in.is_trained) {
        sdc.take_query_map(binarizer_in);
    } else {
        link_binarizer(binarizer_in);
    }
}

void IndexIVFSDC::follow_binarizer() {
    sdc.take_shape(*binarizer, false);
    learn_range = sdc.needs_training(*binarizer);
    follows_binarizer = false;
    take_code_size();
}

/// after a change of the quantizer, while the index is empty
void IndexIVFSDC::take_code_size() {
    if (code_size == sdc.code_size()) {
        return;
    }
    code_size = sdc.code_size();
    if (own_invlists && invlists) {
        replace_invlists(new faiss::ArrayInvertedLists(nlist, code_size), true);
    }
}

void IndexIVFSDC::link_binarizer(const BinarizerTransform& binarizer_in) {
    FAISS_THROW_IF_NOT_MSG(
            !is_trained && ntotal == 0,
            "only an untrained and empty index is linked to a binarizer");
    sdc.check_fits(binarizer_in);
    learn_range = learn_range || sdc.needs_training(binarizer_in);
    binarizer = &binarizer_in;
}

void IndexIVFSDC::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes belong to the present query map");
    sdc.set_query_map(weight, offset);
}

void IndexIVFSDC::set_error_weight(const std::vector<float>& weight) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present weights of errors");
    FAISS_THROW_IF_NOT_MSG(
            !binarizer, "the weights of errors are those of the binarizer");
    sdc.set_error_weight(weight);
}

void IndexIVFSDC::set_scale_type(ScaleType type) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present type of scale");
    FAISS_THROW_IF_NOT_MSG(
            !(by_residual && type == Scale_cosine),
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

void IndexIVFSDC::set_scale_bytes(size_t nbytes) {
    FAISS_THROW_IF_NOT_MSG(
            ntotal == 0, "the stored codes have the present scales");
    FAISS_THROW_IF_NOT_MSG(
            !follows_binarizer, "the scales are those that training chooses");
    if (nbytes == sdc.scale_bytes) {
        return;
    }
    sdc.set_scale_bytes(nbytes);
    take_code_size();
    const bool born_trained = !binarizer && !learns_range() &&
            sdc.has_plain_range() && quantizer->is_trained &&
            quantizer->ntotal == idx_t(nlist);
    is_trained = nbytes == 2 && (is_trained || born_trained);
}

bool IndexIVFSDC::learns_range() const {
    return by_residual || learn_range || sdc.scale_bytes == 1;
}

void IndexIVFSDC::check_ready() const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(quantizer, "the quantizer must not be null");
    FAISS_THROW_IF_NOT_MSG(invlists, "the index has no inverted lists");
    FAISS_THROW_IF_NOT_MSG(
            invlists->code_size == code_size,
            "inverted lists with packed codes are not supported");
}

/// @param lowest  0, or -1 if entries may have no list
void IndexIVFSDC::check_list_nos(idx_t n, const idx_t* list_nos, idx_t lowest)
        const {
    FAISS_THROW_IF_NOT_MSG(n == 0 || list_nos, "no list numbers are given");
    for (idx_t i = 0; i < n; i++) {
        FAISS_THROW_IF_NOT_FMT(
                list_nos[i] >= lowest && list_nos[i] < idx_t(nlist),
                "list number %zd of vector %zd is not in %zd..%zd",
                size_t(list_nos[i]),
                size_t(i),
                size_t(lowest),
                nlist - 1);
    }
}

void IndexIVFSDC::train(idx_t n, const float* x) {
    FAISS_THROW_IF_NOT_MSG(
            !binarizer || binarizer->is_trained,
            "train the binarizer before the index");
    check_finite(n, d, x);
    check_distances(n, d, x);
    if (follows_binarizer) {
        follow_binarizer();
    }
    if (by_residual && sdc.scale_type == Scale_cosine) {
        set_scale_type(Scale_unbiased);
    }
    IndexIVF::train(n, x);
}

void IndexIVFSDC::train_encoder(idx_t n, const float* x, const idx_t* assign) {
    if (binarizer) {
        sdc.take_query_map(*binarizer);
        binarizer = nullptr;
    }
    if (!learns_range()) {
        return;
    }
    // also where scales get two bytes later
    learn_range = learn_range || sdc.scale_bytes == 1;
    std::vector<float> whole(by_residual ? n * d : 0);
    for (idx_t i = 0; by_residual && i < n; i++) {
        quantizer->reconstruct(assign[i], whole.data() + i * d);
        for (int j = 0; j < d; j++) {
            whole[i * d + j] += x[i * d + j];
        }
    }
    sdc.train_range(n, x, by_residual ? whole.data() : x);
}

idx_t IndexIVFSDC::train_encoder_num_vectors() const {
    return learns_range() ? 100000 : 0;
}

void IndexIVFSDC::encode_vectors(
        idx_t n,
        const float* x,
        const idx_t* list_nos,
        uint8_t* codes,
        bool include_listno) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(
            !by_residual || !sdc.has_plain_range(),
            "train the index after by_residual is set");
    check_finite(n, d, x);
    check_list_nos(n, list_nos, include_listno ? 0 : -1);
    const size_t prefix = include_listno ? coarse_code_size() : 0;
    // what is worked on in between has the size of a part of x
    constexpr idx_t max_part = 8192;
    std::vector<float> residuals;
    std::vector<uint8_t> bare;
    for (idx_t i0 = 0; i0 < n; i0 += max_part) {
        const idx_t part = std::min(max_part, n - i0);
        const float* input = x + i0 * d;
        if (by_residual) {
            residuals.assign(part * d, 0.0f);
            parallel_for(part, 1000, [&](idx_t i) {
                if (list_nos[i0 + i] >= 0) {
                    quantizer->compute_residual(
                            x + (i0 + i) * d,
                            residuals.data() + i * d,
                            list_nos[i0 + i]);
                }
            });
            input = residuals.data();
        }
        bare.resize(part * code_size);
        sdc.compute_codes(input, bare.data(), part, x + i0 * d);
        for (idx_t i = 0; i < part; i++) {
            uint8_t* code = codes + (i0 + i) * (prefix + code_size);
            if (prefix > 0) {
                encode_listno(list_nos[i0 + i], code);
            }
            std::memcpy(code + prefix, bare.data() + i * code_size, code_size);
        }
    }
}

void IndexIVFSDC::decode_vectors(
        idx_t n,
        const uint8_t* codes,
        const idx_t* list_nos,
        float* x) const {
    if (!by_residual) {
        sdc.decode(codes, x, n);
        return;
    }
    check_list_nos(n, list_nos, 0);
    sdc.decode(codes, x, n);
    parallel_for(n, 1000, [&](idx_t i) {
        std::vector<float> centroid(d);
        quantizer->reconstruct(list_nos[i], centroid.data());
        for (int j = 0; j < d; j++) {
            x[i * d + j] += centroid[j];
        }
    });
}

/** Take codes with list numbers apart; throws for a wrong list number.
 * @param list_nos  output, size n
 * @param codes     output, size n * code_size
 */
void IndexIVFSDC::split_list_nos(
        idx_t n,
        const uint8_t* bytes,
        idx_t* list_nos,
        uint8_t* codes) const {
    const size_t prefix = coarse_code_size();
    for (idx_t i = 0; i < n; i++) {
        const uint8_t* code = bytes + i * (prefix + code_size);
        list_nos[i] = decode_listno(code);
        std::memcpy(codes + i * code_size, code + prefix, code_size);
    }
}

void IndexIVFSDC::sa_decode(idx_t n, const uint8_t* bytes, float* x) const {
    std::vector<idx_t> list_nos(n);
    std::vector<uint8_t> codes(n * code_size);
    split_list_nos(n, bytes, list_nos.data(), codes.data());
    decode_vectors(n, codes.data(), list_nos.data(), x);
}

} // namespace faiss_bebr
