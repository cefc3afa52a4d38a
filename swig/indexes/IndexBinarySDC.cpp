#include "indexes/IndexBinarySDC.h"

#include "codes/check_arguments.h"
#include "indexes/block_scan.h"
#include "indexes/compact_rows.h"
#include "kernels/SDCKernels.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/IDSelector.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <memory>
#include <typeinfo>

namespace faiss_bebr {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;

IndexBinarySDC::IndexBinarySDC(
        idx_t d_in,
        int nbits_in,
        faiss::MetricType metric)
        : IndexBinary(d_in, metric), nbits(nbits_in) {
    FAISS_THROW_IF_NOT_FMT(
            nbits >= 1 && nbits <= PlaneLayout::max_nbits,
            "nbits must be in 1..%d, got %d",
            PlaneLayout::max_nbits,
            nbits);
    FAISS_THROW_IF_NOT_FMT(
            d_in > 0 && d_in % (8 * nbits) == 0 &&
                    d_in / nbits <= PlaneLayout::max_dim,
            "d must be nbits times a multiple of 8 of at most %d, got %zd",
            PlaneLayout::max_dim,
            size_t(d_in));
    FAISS_THROW_IF_NOT_MSG(
            metric == METRIC_L2 || metric == METRIC_INNER_PRODUCT,
            "metric must be METRIC_L2 or METRIC_INNER_PRODUCT");
    layout = PlaneLayout::uniform(static_cast<int>(d_in / nbits), nbits);
}

void IndexBinarySDC::add(idx_t n, const uint8_t* x) {
    FAISS_THROW_IF_NOT_MSG(n >= 0, "n must not be negative");
    check_owned(codes);
    if (n > 0) {
        codes.resize((ntotal + n) * code_size);
        std::memcpy(codes.data() + ntotal * code_size, x, n * code_size);
        ntotal += n;
    }
}

void IndexBinarySDC::add_sa_codes(
        idx_t n,
        const uint8_t* codes_in,
        const idx_t* /* xids */) {
    add(n, codes_in);
}

void IndexBinarySDC::reset() {
    codes = faiss::MaybeOwnedVector<uint8_t>();
    ntotal = 0;
}

void IndexBinarySDC::reconstruct(idx_t key, uint8_t* recons) const {
    reconstruct_n(key, 1, recons);
}

void IndexBinarySDC::reconstruct_n(idx_t i0, idx_t ni, uint8_t* recons) const {
    check_id_range(i0, ni, ntotal);
    if (ni > 0) {
        std::memcpy(recons, codes.data() + i0 * code_size, ni * code_size);
    }
}

size_t IndexBinarySDC::remove_ids(const faiss::IDSelector& sel) {
    check_owned(codes);
    const idx_t kept = compact_rows(codes.data(), code_size, ntotal, sel);
    const size_t nremove = ntotal - kept;
    ntotal = kept;
    codes.resize(ntotal * code_size);
    return nremove;
}

void IndexBinarySDC::check_compatible_for_merge(
        const faiss::IndexBinary& otherIndex) const {
    const auto* other = dynamic_cast<const IndexBinarySDC*>(&otherIndex);
    FAISS_THROW_IF_NOT_MSG(
            other && typeid(*this) == typeid(*other),
            "can only merge indexes of the same type");
    FAISS_THROW_IF_NOT_MSG(other != this, "cannot merge an index into itself");
    FAISS_THROW_IF_NOT_FMT(
            layout == other->layout,
            "codes differ: m and nbits are %d and %d here, %d and %d there",
            layout.dim(),
            nbits,
            other->layout.dim(),
            other->nbits);
    FAISS_THROW_IF_NOT_MSG(metric_type == other->metric_type, "metrics differ");
}

void IndexBinarySDC::merge_from(faiss::IndexBinary& otherIndex, idx_t add_id) {
    FAISS_THROW_IF_NOT_MSG(add_id == 0, "cannot set ids in IndexBinarySDC");
    check_compatible_for_merge(otherIndex);
    auto& other = static_cast<IndexBinarySDC&>(otherIndex);
    add(other.ntotal, other.codes.data());
    other.reset();
}

namespace {

/// what is common to both kinds of blocks
struct BinaryBlock : DocumentBlock<int32_t> {
    const IndexBinarySDC& index;
    const SDCKernels& kernels;
    size_t ngroups = 0;

    explicit BinaryBlock(const IndexBinarySDC& index_in)
            : index(index_in), kernels(get_kernels()) {}

    const uint8_t* code(idx_t id) const {
        return index.codes.data() + id * index.code_size;
    }
};

/** Codes of one bit, as words: the dots are Hamming distances h, and the key
 * is h, or 2h - m as minus the inner product.
 */
struct WordBlock : BinaryBlock {
    const size_t nwords;
    const std::vector<uint64_t>& queries;
    std::vector<uint64_t> words;

    WordBlock(
            const IndexBinarySDC& index,
            const std::vector<uint64_t>& queries_in,
            size_t block_size)
            : BinaryBlock(index),
              nwords((index.d + 63) / 64),
              queries(queries_in),
              words(block_size * nwords) {}

    void load(const idx_t* ids, size_t n) override {
        ngroups = (n + kGroup - 1) / kGroup;
        for (size_t j = 0; j < n; j++) {
            uint64_t* group = words.data() + j / kGroup * kGroup * nwords;
            const uint8_t* bytes = code(ids[j]);
            uint64_t* out = group + j % kGroup;
            const size_t nwhole = index.code_size / 8;
            for (size_t w = 0; w < nwhole; w++) {
                std::memcpy(out + w * kGroup, bytes + 8 * w, 8);
            }
            if (nwhole < nwords) {
                // the bytes past the code stay 0
                std::memcpy(
                        out + nwhole * kGroup,
                        bytes + 8 * nwhole,
                        index.code_size % 8);
            }
        }
    }

    void compute(size_t q0, size_t nq, int32_t* dots) override {
        kernels.hamming(
                nwords,
                queries.data() + q0 * nwords,
                nq,
                words.data(),
                ngroups,
                dots);
    }

    size_t collect(
            size_t,
            const int32_t* dots,
            int32_t threshold,
            uint32_t* hits,
            int32_t* keys) override {
        const bool is_ip = index.metric_type == METRIC_INNER_PRODUCT;
        const IntKey key = {nullptr, is_ip ? 2 : 1, is_ip ? -index.d : 0};
        return kernels.collect_int(
                key, dots, ngroups * kGroup, threshold, hits, keys);
    }
};

/** Queries as signed levels c - 2^(nbits - 1), which fit int8 at any depth,
 * with the part of the keys that only depends on the query.
 */
struct SignedQueries {
    std::vector<int8_t> levels; ///< n * m
    std::vector<int32_t> bias;  ///< n

    SignedQueries(const IndexBinarySDC& index, size_t n, const uint8_t* x)
            : levels(n * index.layout.dim()), bias(n) {
        const int m = index.layout.dim();
        const int half = 1 << (index.nbits - 1);
        const int max_level = 2 * half - 1;
        std::vector<uint8_t> row(m);
        for (size_t q = 0; q < n; q++) {
            index.layout.unpack(x + q * index.code_size, row.data());
            int32_t sum = 0;
            int32_t squares = 0;
            for (int i = 0; i < m; i++) {
                const int level = row[i] - half;
                levels[q * m + i] = static_cast<int8_t>(level);
                sum += level;
                squares += row[i] * row[i];
            }
            // V_q = 2 level + 1; LevelBlock has the other terms
            bias[q] = index.metric_type == METRIC_L2
                    ? squares
                    : max_level * (2 * sum + m);
        }
    }
};

/** Codes of any depth, as levels. With signed query levels a = c_q - half and
 * M = 2^nbits - 1 the keys are, up to terms of the query alone,
 *
 *     sum (c_q - c_d)^2  = ... + sum (c_d^2 - 2 half c_d) - 2 <a, c_d>
 *     -<V_q, V_d>        = ... - 2 sum c_d - 4 <a, c_d>
 */
struct LevelBlock : BinaryBlock {
    const SignedQueries& queries;
    std::vector<uint8_t> levels;
    std::vector<int32_t> bias;

    LevelBlock(
            const IndexBinarySDC& index,
            const SignedQueries& queries_in,
            size_t block_size)
            : BinaryBlock(index),
              queries(queries_in),
              levels(block_size * index.layout.dim()),
              bias(block_size) {}

    void load(const idx_t* ids, size_t n) override {
        ngroups = (n + kGroup - 1) / kGroup;
        const PlaneLayout& layout = index.layout;
        const PlanesView view = layout.view();
        for (size_t g = 0; g < ngroups; g++) {
            const uint8_t* rows[kGroup];
            const size_t nrows = std::min(kGroup, n - g * kGroup);
            for (size_t k = 0; k < nrows; k++) {
                rows[k] = code(ids[g * kGroup + k]);
            }
            uint8_t* group = levels.data() + g * kGroup * layout.dim();
            kernels.unpack_group(view, rows, nrows, group);
            set_bias(group, bias.data() + g * kGroup);
        }
    }

    void set_bias(const uint8_t* group, int32_t* out) const {
        const bool is_l2 = index.metric_type == METRIC_L2;
        const int32_t linear = is_l2 ? -(1 << index.nbits) : -2;
        const int32_t square = is_l2 ? 1 : 0;
        std::fill(out, out + kGroup, 0);
        for (int i = 0; i < index.layout.dim(); i += 4) {
            for (size_t k = 0; k < kGroup; k++) {
                for (int r = 0; r < 4; r++) {
                    const int32_t c = group[i * kGroup + 4 * k + r];
                    out[k] += c * (linear + square * c);
                }
            }
        }
    }

    void compute(size_t q0, size_t nq, int32_t* dots) override {
        const int m = index.layout.dim();
        kernels.dots(
                m,
                queries.levels.data() + q0 * m,
                nq,
                levels.data(),
                ngroups,
                dots);
    }

    size_t collect(
            size_t q,
            const int32_t* dots,
            int32_t threshold,
            uint32_t* hits,
            int32_t* keys) override {
        const int32_t scale = index.metric_type == METRIC_L2 ? -2 : -4;
        const IntKey key = {bias.data(), scale, queries.bias[q]};
        return kernels.collect_int(
                key, dots, ngroups * kGroup, threshold, hits, keys);
    }
};

/// hand `use` the scan of the queries x
template <class Use>
void with_scan_task(
        const IndexBinarySDC& index,
        idx_t n,
        const uint8_t* x,
        const faiss::SearchParameters* params,
        const Use& use) {
    const faiss::IDSelector* sel = params ? params->sel : nullptr;
    ScanTask<int32_t> task = {size_t(n), index.ntotal, sel, 0, 0, {}};
    if (index.nbits == 1) {
        const size_t nwords = (index.d + 63) / 64;
        std::vector<uint64_t> words(n * nwords);
        for (idx_t q = 0; q < n; q++) {
            std::memcpy(
                    words.data() + q * nwords,
                    x + q * index.code_size,
                    index.code_size);
        }
        task.block_size = get_block_size(8 * nwords);
        task.ops_per_pair = nwords;
        task.make_block = [&]() {
            return std::make_unique<WordBlock>(index, words, task.block_size);
        };
        use(task);
    } else {
        const SignedQueries queries(index, n, x);
        task.block_size = get_block_size(index.layout.dim());
        task.ops_per_pair = index.layout.dim();
        task.make_block = [&]() {
            return std::make_unique<LevelBlock>(
                    index, queries, task.block_size);
        };
        use(task);
    }
}

} // namespace

void IndexBinarySDC::search(
        idx_t n,
        const uint8_t* x,
        idx_t k,
        int32_t* distances,
        idx_t* labels,
        const faiss::SearchParameters* params) const {
    FAISS_THROW_IF_NOT_FMT(k > 0, "k must be positive, got %d", int(k));
    with_scan_task(*this, n, x, params, [&](const ScanTask<int32_t>& task) {
        scan_knn(task, k, distances, labels);
    });
    if (metric_type == METRIC_INNER_PRODUCT) {
        for (idx_t i = 0; i < n * k; i++) {
            distances[i] = labels[i] < 0 ? INT_MIN : -distances[i];
        }
    }
}

void IndexBinarySDC::range_search(
        idx_t n,
        const uint8_t* x,
        int radius,
        faiss::RangeSearchResult* result,
        const faiss::SearchParameters* params) const {
    const bool is_ip = metric_type == METRIC_INNER_PRODUCT;
    // -INT_MIN does not fit, and no product is below INT_MIN + 1
    const int32_t key_radius = is_ip ? -std::max(radius, INT_MIN + 1) : radius;
    with_scan_task(*this, n, x, params, [&](const ScanTask<int32_t>& task) {
        scan_range<int32_t>(
                task,
                key_radius,
                [is_ip](int32_t key) { return float(is_ip ? -key : key); },
                result);
    });
}

} // namespace faiss_bebr
