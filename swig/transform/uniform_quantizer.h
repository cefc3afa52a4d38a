#pragma once

#include "codes/PlaneLayout.h"
#include "transform/BinarizerBlock.h"

namespace faiss_bebr {

/** Whether the recurrence of these blocks, without normalization, is the
 * uniform quantizer of W_0(f), see BinarizerTransform:
 *
 * - all blocks are linear, the weights of W_t are the first rows of those of
 *   W_0, and all R_t are the same;
 * - W_t(f - R(b)) is W_0(f) - b, whatever b is, to less than 1e-4: the error
 *   of the bias and twice the sum of those of the weights, in each dimension.
 *
 * Rows of W_0 may be zero, where the identity then is too, if W_0(f) = 0 has
 * the code there that the biases of W_t make.
 *
 * @param binarization, reconstruction  W_t and R_t, one for each plane
 */
bool is_uniform_quantizer(
        const PlaneLayout& layout,
        const std::vector<BinarizerBlock>& binarization,
        const std::vector<BinarizerBlock>& reconstruction);

/** The nearest values of b_u, of y between two the upper one.
 * @param y  n rows of layout.dim()
 * @param b  output, likewise
 */
void quantize_uniformly(
        const PlaneLayout& layout,
        faiss::idx_t n,
        const float* y,
        float* b);

} // namespace faiss_bebr
