// The fields of BinarizerTransform.

#include "io/fields.h"
#include "io/layout_io.h"
#include "io/types_io.h"

#include <algorithm>
#include <limits>
#include <memory>

namespace faiss_bebr {

using faiss::IOReader;
using faiss::IOWriter;

namespace {

/// whether the linear weights are the first ones of another block
bool shares_weights(const BinarizerBlock& block, const BinarizerBlock& first) {
    const std::vector<float>& weight = block.skip_weight;
    return weight.size() <= first.skip_weight.size() &&
            std::equal(
                   weight.begin(), weight.end(), first.skip_weight.begin());
}

void write_block(
        IOWriter& f,
        const BinarizerBlock& block,
        const BinarizerBlock& first) {
    const bool is_shared = &block != &first && shares_weights(block, first);
    write_number<int32_t>(f, block.hidden);
    write_bool(f, is_shared);
    if (!is_shared) {
        write_array(f, block.skip_weight);
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
        const std::vector<float>& weight = blocks[0].skip_weight;
        block.skip_weight.assign(
                weight.begin(), weight.begin() + d_out * d_in);
    } else {
        block.skip_weight = read_array<float>(f, d_out * d_in);
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

void read_document_code(IOReader& f, BinarizerTransform& transform) {
    const bool is_new = has_version_2(f);
    const int max_nplanes =
            is_new ? PlaneLayout::max_nbits : transform.layout.nplanes();
    const auto nplanes = read_number_in<uint32_t>(
            f, "the number of stored planes", 0, max_nplanes);
    if (is_new) {
        const std::vector<int> widths = read_array<int>(f, nplanes);
        transform.set_document_code(widths, read_number<uint32_t>(f));
        const auto code_size = read_number<uint64_t>(f);
        transform.set_document_budget(
                code_size, read_bool(f, "whether documents have centroids"));
    } else {
        const auto all = transform.layout.plane_widths.begin();
        transform.set_document_code({all, all + nplanes});
    }
}

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
    // the constructor makes the linear parts, which have to be in the file
    const uint64_t nwritten = has_version_5(*f) ? 1 : layout.nplanes();
    const uint64_t linear_bytes =
            sizeof(float) * nwritten * layout.dim() * d_in;
    FAISS_THROW_IF_NOT_MSG(
            linear_bytes <= get_payload(*f).remaining(),
            "the index file is corrupted: a network without its weights");
    const bool normalize = read_bool(*f, "normalize");
    auto transform = std::make_unique<BinarizerTransform>(
            d_in, layout.plane_widths, normalize);
    transform->continuous =
            has_version_5(*f) && read_bool(*f, "whether it is continuous");
    transform->is_trained = read_bool(*f, "is_trained");
    read_document_code(*f, *transform);
    const std::vector<float> weight = read_array<float>(*f, layout.dim());
    const std::vector<float> offset = read_array<float>(*f, layout.dim());
    transform->set_query_map(weight, offset);
    transform->set_error_weight(read_error_weight(*f, layout.dim()));
    std::vector<BinarizerBlock> binarization, reconstruction;
    for (int width : layout.plane_widths) {
        binarization.push_back(read_block(*f, d_in, width, binarization));
    }
    for (int t = 0; t < layout.nplanes(); t++) {
        reconstruction.push_back(
                read_block(*f, layout.dim(), d_in, reconstruction));
    }
    transform->set_blocks(std::move(binarization), std::move(reconstruction));
    return transform.release();
}

} // namespace faiss_bebr
