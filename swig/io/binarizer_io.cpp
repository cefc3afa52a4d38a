// The fields of BinarizerTransform.

#include "io/fields.h"
#include "io/layout_io.h"
#include "io/types_io.h"

#include <limits>
#include <memory>

namespace faiss_bebr {

using faiss::IOReader;
using faiss::IOWriter;

namespace {

void write_block(
        IOWriter& f,
        const BinarizerBlock& block,
        const BinarizerBlock& first) {
    const bool is_shared = &block != &first && block.has_skip_weight_of(first);
    write_number<int32_t>(f, block.hidden);
    write_bool(f, is_shared);
    if (!is_shared) {
        write_array(f, block.skip_weight->data(), block.num_skip_weights());
    }
    write_array(f, block.skip_bias);
    write_array(f, block.hidden_weight);
    write_array(f, block.hidden_bias);
    write_array(f, block.output_weight);
}

/// @param blocks  those before it in the file
BinarizerBlock read_block(
        IOReader& f,
        uint64_t d_in,
        uint64_t d_out,
        const std::vector<BinarizerBlock>& blocks) {
    BinarizerBlock block(static_cast<int>(d_in), static_cast<int>(d_out));
    block.hidden = read_number_in<int32_t>(
            f,
            "the number of hidden units",
            0,
            std::numeric_limits<int32_t>::max());
    const bool is_shared =
            has_version_5(f) && read_bool(f, "whether weights are shared");
    if (is_shared) {
        FAISS_THROW_IF_NOT_MSG(
                !blocks.empty(),
                "the index file is corrupted: a first block without weights");
        block.skip_weight = blocks[0].skip_weight;
    } else {
        block.skip_weight = std::make_shared<const std::vector<float>>(
                read_array<float>(f, d_out * d_in));
    }
    block.skip_bias = read_array<float>(f, d_out);
    block.hidden_weight = read_array<float>(f, block.hidden * d_in);
    block.hidden_bias = read_array<float>(f, block.hidden);
    block.output_weight = read_array<float>(f, d_out * block.hidden);
    return block;
}

void write_document_code(IOWriter& f, const BinarizerTransform& transform) {
    write_number<uint32_t>(f, transform.document_plane_widths.size());
    write_array(f, transform.document_plane_widths);
    write_number<uint32_t>(f, transform.ncentroids);
    write_number<uint64_t>(f, transform.document_code_size);
    write_bool(f, transform.document_has_centroids);
}

/// what there is of documents before the weights
struct DocumentCode {
    std::vector<int> widths;
    size_t ncentroids = 0;
    size_t budget = 0;
    bool has_centroids = true;

    DocumentCode(IOReader& f, const PlaneLayout& layout) {
        const bool is_new = has_version_2(f);
        const int max_nplanes =
                is_new ? PlaneLayout::max_nbits : layout.nplanes();
        const auto nplanes = read_number_in<uint32_t>(
                f, "the number of stored planes", 0, max_nplanes);
        if (is_new) {
            widths = read_array<int>(f, nplanes);
            ncentroids = read_number<uint32_t>(f);
            budget = read_number<uint64_t>(f);
            has_centroids = read_bool(f, "whether documents have centroids");
        } else {
            const auto all = layout.plane_widths.begin();
            widths.assign(all, all + nplanes);
        }
    }
};

} // namespace

void write_BinarizerTransform(
        const BinarizerTransform* transform,
        IOWriter* f) {
    write_number<int32_t>(*f, transform->d_in);
    write_widths(*f, transform->layout);
    write_bool(*f, transform->normalize);
    write_bool(*f, transform->continuous);
    write_bool(*f, transform->is_trained);
    write_document_code(*f, *transform);
    write_array(*f, transform->query_weight);
    write_array(*f, transform->query_offset);
    write_error_weight(*f, transform->error_weight);
    for (const auto* blocks :
         {&transform->get_binarization(), &transform->get_reconstruction()}) {
        for (const BinarizerBlock& block : *blocks) {
            write_block(*f, block, blocks->front());
        }
    }
}

BinarizerTransform* read_BinarizerTransform(IOReader* f) {
    const int d_in = read_number_in<int32_t>(
            *f, "d_in", 1, std::numeric_limits<int32_t>::max());
    const PlaneLayout layout(read_widths(*f));
    const uint64_t d_out = layout.dim();
    const bool normalize = read_bool(*f, "normalize");
    const bool continuous =
            has_version_5(*f) && read_bool(*f, "whether it is continuous");
    const bool is_trained = read_bool(*f, "is_trained");
    const DocumentCode documents(*f, layout);
    const std::vector<float> weight = read_array<float>(*f, d_out);
    const std::vector<float> offset = read_array<float>(*f, d_out);
    const std::vector<float> error_weight = read_error_weight(*f, layout.dim());
    std::vector<BinarizerBlock> binarization, reconstruction;
    for (int width : layout.plane_widths) {
        binarization.push_back(read_block(*f, d_in, width, binarization));
    }
    for (int t = 0; t < layout.nplanes(); t++) {
        reconstruction.push_back(read_block(*f, d_out, d_in, reconstruction));
    }
    // the constructor takes memory for weights, which the file had by now
    auto transform = std::make_unique<BinarizerTransform>(
            d_in, layout.plane_widths, normalize);
    transform->continuous = continuous;
    transform->is_trained = is_trained;
    transform->set_document_code(documents.widths, documents.ncentroids);
    transform->set_document_budget(documents.budget, documents.has_centroids);
    transform->set_query_map(weight, offset);
    transform->set_error_weight(error_weight);
    transform->set_blocks(std::move(binarization), std::move(reconstruction));
    return transform.release();
}

} // namespace faiss_bebr
