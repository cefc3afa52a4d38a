#include "transform/BinarizerTransform.h"

#include "codes/SDCQuantizer.h"
#include "codes/check_arguments.h"
#include "codes/lane_sums.h"
#include "indexes/parallel_for.h"
#include "indexes/scan_threads.h"
#include "transform/uniform_quantizer.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/FaissAssert.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace faiss_bebr {

namespace {

/// rows encoded at once: matrices are read from memory once for so many, and
/// what there is of each row stays in the second-level cache
constexpr idx_t kBatch = 64;

/// rows of a batch, so that all threads have some
idx_t get_batch(idx_t n) {
    const idx_t nthreads = omp_in_parallel() ? 1 : omp_get_max_threads();
    return std::clamp((n + nthreads - 1) / nthreads, idx_t(1), kBatch);
}

/** body(first, number) for batches of n rows. Threads take turns, which the
 * user's interrupt stops; a look at it waits for Python's lock.
 * @param ops  operations for a row, about
 */
template <class Body>
void for_batches(idx_t n, size_t ops, const Body& body) {
    const auto check_interrupt = [] {
        if (is_calling_thread()) {
            faiss::InterruptCallback::check();
        }
    };
    check_interrupt();
    const idx_t batch = get_batch(n);
    const idx_t period = faiss::InterruptCallback::get_period_hint(ops * batch);
    parallel_for((n + batch - 1) / batch, 2, [&](idx_t i) {
        if (i > 0 && i % period == 0) {
            check_interrupt();
        }
        body(i * batch, std::min(batch, n - i * batch));
    });
}

/// the floor under a norm that torch.nn.functional.normalize has
constexpr float kMinNorm = 1e-12f;

void normalize_rows(idx_t n, int d, float* x) {
    for (idx_t i = 0; i < n; i++) {
        float* row = x + i * d;
        const float norm =
                std::max(std::sqrt(get_product(d, row, row)), kMinNorm);
        for (int j = 0; j < d; j++) {
            row[j] /= norm;
        }
    }
}

/// multiplications for a row
size_t count_weights(const BinarizerBlock& block) {
    return block.num_skip_weights() + block.hidden_weight.size() +
            block.output_weight.size();
}

int max_hidden(const std::vector<BinarizerBlock>& blocks) {
    int hidden = 0;
    for (const BinarizerBlock& block : blocks) {
        hidden = std::max(hidden, block.hidden);
    }
    return hidden;
}

void check_plane(const PlaneLayout& layout, int t) {
    FAISS_THROW_IF_NOT_FMT(
            t >= 0 && t < layout.nplanes(), "there is no block %d", t);
}

} // namespace

std::function<void(BinarizerTransform&, idx_t, const float*)>
        BinarizerTransform::trainer;

BinarizerTransform::BinarizerTransform(
        int d_in_val,
        const std::vector<int>& plane_widths,
        bool normalize_in)
        : layout(plane_widths), normalize(normalize_in) {
    FAISS_THROW_IF_NOT_FMT(
            d_in_val > 0, "d_in must be positive, got %d", d_in_val);
    d_in = d_in_val;
    d_out = layout.dim();
    is_trained = false;
    const auto zeros =
            std::make_shared<const std::vector<float>>(size_t(d_in) * d_out);
    for (int width : plane_widths) {
        const auto linear = [&](int from, int to) {
            BinarizerBlock block(from, to);
            block.skip_weight = zeros;
            block.skip_bias.resize(to);
            return block;
        };
        binarization.push_back(linear(d_in, width));
        reconstruction.push_back(linear(d_out, d_in));
    }
    query_weight.assign(d_out, 1.0f);
    query_offset.assign(d_out, 0.0f);
}

void BinarizerTransform::set_blocks(
        std::vector<BinarizerBlock> binarization_in,
        std::vector<BinarizerBlock> reconstruction_in) {
    const auto check_shapes = [](const std::vector<BinarizerBlock>& blocks,
                                 const std::vector<BinarizerBlock>& expected) {
        const auto has_same_shape = [](const BinarizerBlock& a,
                                       const BinarizerBlock& b) {
            return a.d_in == b.d_in && a.d_out == b.d_out;
        };
        FAISS_THROW_IF_NOT_MSG(
                std::equal(
                        blocks.begin(),
                        blocks.end(),
                        expected.begin(),
                        expected.end(),
                        has_same_shape),
                "blocks of other shapes than the transform's");
    };
    check_shapes(binarization_in, binarization);
    check_shapes(reconstruction_in, reconstruction);
    binarization = std::move(binarization_in);
    reconstruction = std::move(reconstruction_in);
    has_uniform_blocks =
            is_uniform_quantizer(layout, binarization, reconstruction);
}

void BinarizerTransform::set_binarization_block(
        int t,
        int hidden,
        const float* skip_weight,
        const float* skip_bias,
        const float* hidden_weight,
        const float* hidden_bias,
        const float* output_weight) {
    check_plane(layout, t);
    BinarizerBlock block(
            d_in,
            layout.plane_widths[t],
            hidden,
            skip_weight,
            skip_bias,
            hidden_weight,
            hidden_bias,
            output_weight);
    block.share_skip_weight(binarization[0]);
    binarization[t] = std::move(block);
    has_uniform_blocks =
            is_uniform_quantizer(layout, binarization, reconstruction);
}

void BinarizerTransform::set_reconstruction_block(
        int t,
        int hidden,
        const float* skip_weight,
        const float* skip_bias,
        const float* hidden_weight,
        const float* hidden_bias,
        const float* output_weight) {
    check_plane(layout, t);
    BinarizerBlock block(
            d_out,
            d_in,
            hidden,
            skip_weight,
            skip_bias,
            hidden_weight,
            hidden_bias,
            output_weight);
    block.share_skip_weight(reconstruction[0]);
    reconstruction[t] = std::move(block);
    has_uniform_blocks =
            is_uniform_quantizer(layout, binarization, reconstruction);
}

void BinarizerTransform::set_query_map(
        const std::vector<float>& weight,
        const std::vector<float>& offset) {
    check_query_map(d_out, weight, offset);
    query_weight = weight;
    query_offset = offset;
}

void BinarizerTransform::set_error_weight(const std::vector<float>& weight) {
    check_error_weight(d_out, weight);
    error_weight = weight;
}

void BinarizerTransform::set_document_code(
        const std::vector<int>& plane_widths,
        size_t ncentroids_in) {
    check_ncentroids(ncentroids_in);
    if (!plane_widths.empty()) {
        SDCQuantizer(*this, plane_widths, faiss::METRIC_L2); // checks them
    }
    document_plane_widths = plane_widths;
    ncentroids = ncentroids_in;
}

void BinarizerTransform::set_document_budget(
        size_t code_size,
        bool has_centroids) {
    FAISS_THROW_IF_NOT_FMT(
            code_size == 0 || code_size >= min_document_code_size,
            "a document's code has at least %zd bytes, got %zd",
            min_document_code_size,
            code_size);
    document_code_size = code_size;
    document_has_centroids = has_centroids;
}

void BinarizerTransform::train(idx_t n, const float* x) {
    FAISS_THROW_IF_NOT_MSG(
            trainer,
            "training needs the Python package faiss_bebr, "
            "which installs a trainer");
    trainer(*this, n, x);
    const SDCQuantizer sdc(*this, 0, faiss::METRIC_L2, document_has_centroids);
    FAISS_THROW_IF_NOT_FMT(
            document_code_size == 0 || sdc.code_size() <= document_code_size,
            "the trainer keeps %zd bytes of documents, more than %zd",
            sdc.code_size(),
            document_code_size);
    is_trained = true;
}

size_t BinarizerTransform::count_ops(int nplanes) const {
    size_t n = count_weights(binarization[0]);
    for (int t = 1; !quantizes_uniformly() && t < nplanes; t++) {
        n += count_weights(reconstruction[t - 1]);
        n += count_weights(binarization[t]);
    }
    return n;
}

void BinarizerTransform::project_batch(idx_t n, const float* f, float* y)
        const {
    std::vector<float> hidden(n * binarization[0].hidden);
    binarization[0].apply(n, f, y, hidden.data());
}

void BinarizerTransform::binarize_batch(
        const PlaneLayout& planes,
        idx_t n,
        const float* f,
        float* b) const {
    std::vector<float> output(n * d_out);
    if (quantizes_uniformly()) {
        project_batch(n, f, output.data());
        quantize_uniformly(planes, n, output.data(), b);
        return;
    }
    std::vector<float> residual(n * d_in);
    std::vector<float> hidden(
            n * std::max(max_hidden(binarization), max_hidden(reconstruction)));
    std::fill(b, b + n * d_out, 0.0f);
    for (int t = 0; t < planes.nplanes(); t++) {
        const float* input = f;
        if (t > 0) {
            reconstruction[t - 1].apply(n, b, residual.data(), hidden.data());
            if (normalize) {
                normalize_rows(n, d_in, residual.data());
            }
            for (idx_t i = 0; i < n * d_in; i++) {
                residual[i] = f[i] - residual[i];
            }
            input = residual.data();
        }
        binarization[t].apply(n, input, output.data(), hidden.data());
        const int width = planes.plane_widths[t];
        const float step = std::ldexp(1.0f, -t);
        for (idx_t i = 0; i < n; i++) {
            for (int j = 0; j < width; j++) {
                b[i * d_out + j] += output[i * width + j] >= 0 ? step : -step;
            }
        }
    }
}

void BinarizerTransform::apply_noalloc(idx_t n, const float* x, float* xt)
        const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the transform is not trained");
    check_finite(n, d_in, x);
    const size_t ops = count_ops(continuous ? 1 : layout.nplanes());
    for_batches(n, ops, [&](idx_t i, idx_t ni) {
        const float* f = x + i * d_in;
        float* out = xt + i * d_out;
        if (continuous) {
            project_batch(ni, f, out);
        } else {
            binarize_batch(layout, ni, f, out);
        }
    });
}

void BinarizerTransform::reverse_transform(idx_t n, const float* xt, float* x)
        const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the transform is not trained");
    check_finite(n, d_out, xt);
    const BinarizerBlock& block = reconstruction.back();
    for_batches(n, count_weights(block), [&](idx_t i, idx_t ni) {
        std::vector<float> hidden(ni * block.hidden);
        float* out = x + i * d_in;
        block.apply(ni, xt + i * d_out, out, hidden.data());
        if (normalize) {
            normalize_rows(ni, d_in, out);
        }
    });
}

void BinarizerTransform::check_identical(
        const faiss::VectorTransform& other_in) const {
    const auto* other = dynamic_cast<const BinarizerTransform*>(&other_in);
    FAISS_THROW_IF_NOT_MSG(other, "the other is not a BinarizerTransform");
    FAISS_THROW_IF_NOT_MSG(
            d_in == other->d_in && layout == other->layout &&
                    is_trained == other->is_trained &&
                    normalize == other->normalize &&
                    continuous == other->continuous,
            "binarizers differ in dimensions, plane widths or kind of output");
    FAISS_THROW_IF_NOT_MSG(
            binarization == other->binarization &&
                    reconstruction == other->reconstruction &&
                    query_weight == other->query_weight &&
                    query_offset == other->query_offset &&
                    error_weight == other->error_weight,
            "binarizers differ in weights");
}

void BinarizerTransform::encode(
        idx_t n,
        const float* x,
        uint8_t* codes,
        int nbits) const {
    FAISS_THROW_IF_NOT_MSG(is_trained, "the transform is not trained");
    check_finite(n, d_in, x);
    const PlaneLayout planes =
            nbits == 0 ? layout : layout.get_first_planes(nbits);
    for_batches(n, count_ops(planes.nplanes()), [&](idx_t i, idx_t ni) {
        std::vector<float> b(ni * d_out);
        std::vector<uint8_t> levels(d_out);
        binarize_batch(planes, ni, x + i * d_in, b.data());
        for (idx_t j = 0; j < ni; j++) {
            planes.quantize(b.data() + j * d_out, levels.data());
            planes.pack(levels.data(), codes + (i + j) * planes.code_size());
        }
    });
}

} // namespace faiss_bebr
