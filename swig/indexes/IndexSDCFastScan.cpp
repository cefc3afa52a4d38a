#include "indexes/IndexSDCFastScan.h"

#include "codes/check_arguments.h"
#include "indexes/ColumnBlock.h"
#include "indexes/ColumnDistanceComputer.h"
#include "indexes/DocumentNorms.h"
#include "indexes/flat_search.h"
#include "indexes/sdc_queries.h"
#include "indexes/two_pass_search.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>

#include <algorithm>
#include <utility>

namespace faiss_bebr {

namespace {

/// codes that are copied from one index to another at once
constexpr idx_t kCodesAtOnce = 4096;

IndexSDC copy_without_codes(const IndexSDC& orig) {
    IndexSDC codec(
            orig.sdc.layout.plane_widths, orig.metric_type, orig.sdc.dim());
    codec.sdc = orig.sdc;
    codec.code_size = orig.code_size;
    codec.is_trained = orig.is_trained;
    codec.cp = orig.cp;
    codec.binarizer = orig.binarizer;
    codec.follows_binarizer = orig.follows_binarizer;
    return codec;
}

} // namespace

IndexSDCFastScan::IndexSDCFastScan(IndexSDC&& codec_in)
        : Index(codec_in.d, codec_in.metric_type),
          codec(std::move(codec_in)),
          code_size(codec.code_size),
          codes(code_size) {
    follow_codec();
}

IndexSDCFastScan::IndexSDCFastScan(int m, int nbits, faiss::MetricType metric)
        : IndexSDCFastScan(IndexSDC(m, nbits, metric)) {}

IndexSDCFastScan::IndexSDCFastScan(
        const std::vector<int>& plane_widths,
        faiss::MetricType metric,
        int d,
        size_t ncentroids)
        : IndexSDCFastScan(IndexSDC(plane_widths, metric, d, ncentroids)) {}

IndexSDCFastScan::IndexSDCFastScan(
        const BinarizerTransform& binarizer,
        int nbits,
        faiss::MetricType metric)
        : IndexSDCFastScan(IndexSDC(binarizer, nbits, metric)) {}

IndexSDCFastScan::IndexSDCFastScan(
        const BinarizerTransform& binarizer,
        const std::vector<int>& plane_widths,
        faiss::MetricType metric,
        size_t ncentroids)
        : IndexSDCFastScan(
                  IndexSDC(binarizer, plane_widths, metric, ncentroids)) {}

IndexSDCFastScan::IndexSDCFastScan(const IndexSDC& orig)
        : IndexSDCFastScan(copy_without_codes(orig)) {
    k_factor = orig.k_factor;
    first_nbits = orig.first_nbits;
    if (orig.ntotal > 0) {
        add_sa_codes(orig.ntotal, orig.codes.data(), nullptr);
    }
}

void IndexSDCFastScan::follow_codec() {
    is_trained = codec.is_trained;
    code_size = codec.code_size;
    codes.code_size = code_size;
}

void IndexSDCFastScan::check_empty() const {
    FAISS_THROW_IF_NOT_MSG(
            codes.n == 0, "the stored codes were made in the present way");
}

void IndexSDCFastScan::link_binarizer(const BinarizerTransform& binarizer) {
    check_empty();
    codec.is_trained = is_trained;
    codec.link_binarizer(binarizer);
    follow_codec();
}

void IndexSDCFastScan::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    check_empty();
    codec.set_query_map(weight, offset);
}

void IndexSDCFastScan::set_error_weight(const std::vector<float>& weight) {
    check_empty();
    codec.set_error_weight(weight);
}

void IndexSDCFastScan::set_scale_type(ScaleType type) {
    check_empty();
    codec.is_trained = is_trained;
    codec.set_scale_type(type);
    follow_codec();
}

void IndexSDCFastScan::set_scale_bytes(size_t nbytes) {
    check_empty();
    codec.is_trained = is_trained;
    codec.set_scale_bytes(nbytes);
    follow_codec();
}

void IndexSDCFastScan::train(idx_t n, const float* x) {
    if (is_trained) {
        return;
    }
    check_empty();
    codec.is_trained = false;
    codec.train(n, x);
    follow_codec();
}

void IndexSDCFastScan::add(idx_t n, const float* x) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    std::vector<uint8_t> fresh(n * code_size);
    sa_encode(n, x, fresh.data());
    add_sa_codes(n, fresh.data(), nullptr);
}

void IndexSDCFastScan::add_sa_codes(
        idx_t n,
        const uint8_t* codes_in,
        const idx_t* /* xids */) {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    codec.sdc.check_trained();
    codec.sdc.check_codes(n, codes_in);
    const size_t first_group = codes.n / kColumn;
    codes.append(codes_in, n);
    ntotal = codes.n;
    update_norms(first_group);
}

void IndexSDCFastScan::reset() {
    codes.clear();
    min_norms.clear();
    ntotal = 0;
}

size_t IndexSDCFastScan::remove_ids(const faiss::IDSelector& sel) {
    // first all questions: one of a selector written in Python may throw
    std::vector<bool> leaves(codes.n);
    for (size_t i = 0; i < codes.n; i++) {
        leaves[i] = sel.is_member(i);
    }
    const size_t first =
            std::find(leaves.begin(), leaves.end(), true) - leaves.begin();
    size_t kept = first;
    for (size_t i = first; i < codes.n; i++) {
        if (!leaves[i]) {
            codes.copy_within(i, kept++);
        }
    }
    const size_t nremove = codes.n - kept;
    codes.shrink(kept);
    ntotal = codes.n;
    update_norms(first / kColumn);
    return nremove;
}

/// those from a group on
void IndexSDCFastScan::update_norms(size_t first_group) {
    const SDCQuantizer& sdc = codec.sdc;
    if (sdc.metric_type != faiss::METRIC_L2) {
        return;
    }
    min_norms.resize(codes.get_num_groups());
    const int64_t ngroups = min_norms.size();
#pragma omp parallel if (ngroups - int64_t(first_group) > 100)
    {
        DocumentNorms get_norm(sdc, sdc.layout);
        std::vector<uint8_t> group(codes.get_stride());
#pragma omp for
        for (int64_t g = first_group; g < ngroups; g++) {
            const size_t begin = g * kColumn;
            const size_t n = std::min(kColumn, codes.n - begin);
            codes.read(begin, n, group.data());
            float least = get_norm(group.data());
            for (size_t j = 1; j < n; j++) {
                least = get_least_norm(
                        least, get_norm(group.data() + j * code_size));
            }
            min_norms[g] = least;
        }
    }
}

void IndexSDCFastScan::reconstruct(idx_t key, float* recons) const {
    reconstruct_n(key, 1, recons);
}

void IndexSDCFastScan::reconstruct_n(idx_t i0, idx_t ni, float* recons) const {
    check_id_range(i0, ni, codes.n);
    std::vector<uint8_t> bytes(std::min(ni, kCodesAtOnce) * code_size);
    for (idx_t i = 0; i < ni; i += kCodesAtOnce) {
        const idx_t n = std::min(kCodesAtOnce, ni - i);
        codes.read(i0 + i, n, bytes.data());
        sa_decode(n, bytes.data(), recons + i * d);
    }
}

void IndexSDCFastScan::search(
        idx_t n,
        const float* x,
        idx_t k,
        float* distances,
        idx_t* labels,
        const faiss::SearchParameters* params_in) const {
    FAISS_THROW_IF_NOT_FMT(k > 0, "k must be positive, got %d", int(k));
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const SearchParametersSDC params =
            get_parameters(codec.sdc, k_factor, first_nbits, params_in);
    const MakeFlatTask make_task = [&](const FlatQueries& queries) {
        return make_column_task(queries, {&codes, &min_norms}, params.sel);
    };
    const TwoPasses passes(codec.sdc, params, k, ntotal);
    if (passes.ncandidates == 0) {
        search_flat(codec.sdc, n, x, k, distances, labels, make_task);
        return;
    }
    const FindCodes find_codes = [&](const idx_t* ids,
                                     size_t count,
                                     std::vector<uint8_t>& memory,
                                     const uint8_t** rows) {
        memory.resize(count * code_size);
        for (size_t j = 0; j < count; j++) {
            codes.read_from(0, ids[j], memory.data() + j * code_size);
            rows[j] = memory.data() + j * code_size;
        }
    };
    search_in_two_passes(
            codec.sdc,
            passes,
            n,
            x,
            k,
            distances,
            labels,
            make_task,
            find_codes);
}

void IndexSDCFastScan::range_search(
        idx_t n,
        const float* x,
        float radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const faiss::IDSelector* sel =
            get_parameters(codec.sdc, k_factor, first_nbits, params).sel;
    range_search_flat(
            codec.sdc, n, x, radius, result, [&](const FlatQueries& queries) {
                return make_column_task(queries, {&codes, &min_norms}, sel);
            });
}

void IndexSDCFastScan::search1(
        const float* x,
        faiss::ResultHandler& handler,
        faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    const faiss::IDSelector* sel =
            get_parameters(codec.sdc, k_factor, first_nbits, params).sel;
    ColumnDistanceComputer computer(codec.sdc, codes);
    search1_flat(codec.sdc, codes.n, x, sel, computer, handler);
}

faiss::DistanceComputer* IndexSDCFastScan::get_distance_computer() const {
    return new ColumnDistanceComputer(codec.sdc, codes);
}

void IndexSDCFastScan::check_compatible_for_merge(
        const faiss::Index& otherIndex) const {
    const auto* other = dynamic_cast<const IndexSDCFastScan*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(other, "can only merge indexes of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "cannot merge an index into itself");
    codec.sdc.check_compatible(other->codec.sdc);
}

void IndexSDCFastScan::merge_from(faiss::Index& otherIndex, idx_t add_id) {
    FAISS_THROW_IF_NOT_MSG(add_id == 0, "cannot set ids in IndexSDCFastScan");
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexSDCFastScan&>(otherIndex);
    const size_t first_group = codes.n / kColumn;
    codes.append(other.codes);
    ntotal = codes.n;
    update_norms(first_group);
    other.reset();
}

size_t IndexSDCFastScan::sa_code_size() const {
    return code_size;
}

void IndexSDCFastScan::sa_encode(idx_t n, const float* x, uint8_t* bytes)
        const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the index is not trained");
    codec.sdc.compute_codes(x, bytes, n);
}

void IndexSDCFastScan::sa_decode(idx_t n, const uint8_t* bytes, float* x)
        const {
    codec.sa_decode(n, bytes, x);
}

void IndexSDCFastScan::quantize_queries(idx_t n, const float* x, float* q)
        const {
    codec.quantize_queries(n, x, q);
}

} // namespace faiss_bebr
