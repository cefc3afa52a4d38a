#pragma once

#include "codes/SDCQuantizer.h"

#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** Chooses the code and the scale of one vector after the other, as
 * SDCQuantizer and ScaleType say.
 *
 * Where the range is learned, a few steps of the grid are tried, and of the
 * codes with their best scales the one is taken that has least
 *
 *     |y - s v|_w^2 + along * <x, y - s v>^2 / |x|^2
 *
 * w being query_weight, and x what the error is seen by most. With
 * Scale_unbiased x is the query that the whole vector would be, since queries
 * that find it are like it; |x| is then the norm that goes with the weights,
 * sum x_j^2 / w_j. With Scale_least_squares x is w * y: errors there move the
 * norm of what is decoded, which distances have in them. Products with x are
 * of all dimensions, also those without bits. The weights `along` are
 * those of best recall, measured on text embeddings.
 */
struct CodeChooser {
    explicit CodeChooser(const SDCQuantizer& sdc);

    std::vector<uint8_t> levels; ///< of the last vector, size coded_dim()

    /** @param y  the vector less its centroid, size dim()
     *  @param x  the vector, size dim()
     *  @return   the scale
     */
    float choose(const float* y, const float* x);

   private:
    /// of y and its quantized values v = V * unit * range: weighted, and with
    /// those along x
    struct Products {
        double yy = 0, yv = 0, vv = 0;

        /// by how much the best scale lessens the error
        double gain() const {
            return yv > 0 && vv > 0 ? yv * yv / vv : 0;
        }
    };

    const SDCQuantizer& sdc;
    const bool has_plain_range;
    double total_weight = 0; ///< of the dimensions that have bits
    std::vector<uint8_t> attempt;

    double along = 0;              ///< over |x|^2; 0: there is no x
    double along_y = 0;            ///< <x, y>
    std::vector<double> direction; ///< x, size dim()

    void set_direction(const float* y, const float* x);
    Products multiply(const float* y, const std::vector<uint8_t>& levels) const;
    float get_scale(const Products& sums) const;
};

} // namespace faiss_bebr
