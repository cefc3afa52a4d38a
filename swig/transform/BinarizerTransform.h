#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/VectorTransform.h>

#include <functional>
#include <vector>

namespace faiss_bebr {

using faiss::idx_t;

/** One block of the network, a residual MLP with its BatchNorm folded in:
 *
 *     y = skip_weight x + skip_bias
 *           + output_weight relu(hidden_weight x + hidden_bias)
 *
 * Without hidden units it is a linear map. Matrices are row-major.
 */
struct BinarizerBlock {
    int d_in = 0;
    int d_out = 0;
    int hidden = 0;
    std::vector<float> skip_weight;   ///< d_out * d_in
    std::vector<float> skip_bias;     ///< d_out
    std::vector<float> hidden_weight; ///< hidden * d_in
    std::vector<float> hidden_bias;   ///< hidden
    std::vector<float> output_weight; ///< d_out * hidden

    /** @param x       size n * d_in
     *  @param y       output, size n * d_out
     *  @param buffer  size n * hidden
     */
    void apply(idx_t n, const float* x, float* y, float* buffer) const;

    bool operator==(const BinarizerBlock& other) const;
};

/** A trained recurrent binarizer (Binary Embedding-based Retrieval) as
 * a transform whose output is b_u, a sum of nbits binary vectors:
 *
 *     b_0     = sign(W_0(f))
 *     f_t     = R_t(b_t), divided by its norm if normalize is set
 *     b_{t+1} = b_t + 2^-(t+1) * sign(W_{t+1}(f - f_t))
 *
 * with sign(0) = +1 and values in (-2, 2). Plane t covers the first
 * layout.plane_widths[t] dimensions.
 */
struct BinarizerTransform : faiss::VectorTransform {
    PlaneLayout layout;
    bool normalize = false;
    std::vector<BinarizerBlock> binarization;   ///< W_t, nbits blocks
    std::vector<BinarizerBlock> reconstruction; ///< R_t, nbits blocks

    /** The plane widths that an index keeps of a document (empty: those of all
     * planes), and the centroids of its coarse first stage (0: there is none):
     * what training aims at. Queries always have all planes.
     */
    std::vector<int> document_plane_widths;
    size_t ncentroids = 0;

    /** The most bytes of a document's whole code, which train() chooses those
     * two for; 0: they are given. Without document_has_centroids it chooses
     * ncentroids = 0: for inverted files, whose lists are the coarse stage.
     */
    size_t document_code_size = 0;
    bool document_has_centroids = true;

    /// a plane of 8 bits, the scale and the number of a centroid
    static constexpr size_t min_document_code_size = 4;

    /// what indexes of the codes apply to queries, see IndexSDC; size d_out
    std::vector<float> query_weight;
    std::vector<float> query_offset;

    /// an untrained network of linear blocks, all zero
    BinarizerTransform(
            int d_in,
            const std::vector<int>& plane_widths,
            bool normalize = false);

    /** Called by train() with the transform, n and x of size n * d_in; it has
     * to set the blocks. The Python package installs the PyTorch trainer here.
     */
    static std::function<void(BinarizerTransform&, idx_t, const float*)>
            trainer;

    /// throws if there is no trainer, or if that keeps more of documents than
    /// document_code_size; otherwise trained when it returns
    void train(idx_t n, const float* x) override;

    void apply_noalloc(idx_t n, const float* x, float* xt) const override;

    /// R_u(xt): an embedding from a code, or from a decoded vector of an
    /// index that stores fewer planes
    void reverse_transform(idx_t n, const float* xt, float* x) const override;

    void check_identical(const faiss::VectorTransform& other) const override;

    /** Packed codes (see PlaneLayout) of all planes.
     * @param codes  output, size n * layout.code_size()
     */
    void encode(idx_t n, const float* x, uint8_t* codes) const;

    /** Set the block W_t or R_t; arrays as in BinarizerBlock, nullptr for
     * those of a block without hidden units.
     */
    void set_binarization_block(
            int t,
            int hidden,
            const float* skip_weight,
            const float* skip_bias,
            const float* hidden_weight,
            const float* hidden_bias,
            const float* output_weight);
    void set_reconstruction_block(
            int t,
            int hidden,
            const float* skip_weight,
            const float* skip_bias,
            const float* hidden_weight,
            const float* hidden_bias,
            const float* output_weight);

    /// @param plane_widths  empty, or within those of the layout
    /// @param ncentroids    see SDCQuantizer
    void set_document_code(
            const std::vector<int>& plane_widths,
            size_t ncentroids = 0);

    /// @param code_size      at least min_document_code_size; 0: none
    /// @param has_centroids  see document_has_centroids
    void set_document_budget(size_t code_size, bool has_centroids = true);

    /// @param weight, offset  size d_out; weights not negative
    void set_query_map(
            const std::vector<float>& weight,
            const std::vector<float>& offset);

   private:
    /// apply_noalloc() of few vectors, by one thread
    void apply_batch(idx_t n, const float* f, float* b) const;
};

} // namespace faiss_bebr
