#pragma once

#include "codes/PlaneLayout.h"
#include "transform/BinarizerBlock.h"

#include <faiss/VectorTransform.h>

#include <functional>
#include <vector>

namespace faiss_bebr {

using faiss::idx_t;

/** A trained recurrent binarizer (Binary Embedding-based Retrieval) as a
 * transform. Unless it is continuous its output is b_u, a sum of nbits binary
 * vectors:
 *
 *     b_0     = sign(W_0(f))
 *     f_t     = R_t(b_t), divided by its norm if normalize is set
 *     b_{t+1} = b_t + 2^-(t+1) * sign(W_{t+1}(f - f_t))
 *
 * with sign(0) = +1 and values in (-2, 2). Plane t covers the first
 * layout.plane_widths[t] dimensions.
 *
 * Where the blocks say that W_{t+1}(f - f_t) is W_0(f) - b_t, as they do of a
 * network trained for a budget of bytes (whose output is continuous), b_u is
 * the uniform quantizer of W_0(f): the nearest of the values that it may have,
 * of two the upper one. It is computed so, by one product and not two for each
 * plane. Only where a value is next to the edge of a cell, see
 * is_uniform_quantizer() for how near, may it be in the other cell than the
 * sums of the recurrence have it in.
 */
struct BinarizerTransform : faiss::VectorTransform {
    PlaneLayout layout;
    bool normalize = false;

    /** Whether the output is W_0(f) and not b_u: for indexes that code
     * documents by themselves, which lose by the rounding of documents and of
     * queries. Training sets it, and indexes look at it when they are made.
     * encode() and reverse_transform() are about planes either way.
     */
    bool continuous = false;

    /** The plane widths that an index keeps of a document (empty: those of all
     * planes), and the centroids of its coarse first stage (0: there is none):
     * what training aims at. Queries have all planes, or are continuous.
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

    /// what they encode documents by, see SDCQuantizer; size d_out * d_out, or
    /// 0: there is none
    std::vector<float> error_weight;

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

    /** Packed codes (see PlaneLayout). Later planes than those asked for are
     * not computed.
     * @param codes  output, size n * the size of such a code
     * @param nbits  of the first planes; 0: of all
     */
    void encode(idx_t n, const float* x, uint8_t* codes, int nbits = 0) const;

    /// W_t and R_t, nbits blocks each
    const std::vector<BinarizerBlock>& get_binarization() const {
        return binarization;
    }
    const std::vector<BinarizerBlock>& get_reconstruction() const {
        return reconstruction;
    }

    /// set all blocks, of the shapes that they have
    void set_blocks(
            std::vector<BinarizerBlock> binarization,
            std::vector<BinarizerBlock> reconstruction);

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

    /// @param weight  symmetric, size d_out * d_out, the diagonal not negative;
    ///                or empty
    void set_error_weight(const std::vector<float>& weight);

    /// whether b_u is computed as the uniform quantizer of W_0(f)
    bool quantizes_uniformly() const {
        return !normalize && has_uniform_blocks;
    }

   private:
    std::vector<BinarizerBlock> binarization;
    std::vector<BinarizerBlock> reconstruction;
    bool has_uniform_blocks = false; ///< is_uniform_quantizer() of them

    /// multiplications for the first planes of a vector's b_u
    size_t count_ops(int nplanes) const;

    /// W_0(f) of few vectors, by one thread
    void project_batch(idx_t n, const float* f, float* y) const;

    /// b_u of the first planes, likewise
    /// @param planes  the layout or its first planes
    void binarize_batch(
            const PlaneLayout& planes,
            idx_t n,
            const float* f,
            float* b) const;
};

} // namespace faiss_bebr
