#pragma once

#include "codes/SDCQuantizer.h"

#include <array>
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
 * those of best recall, measured on text embeddings and word vectors.
 *
 * Of scales of one byte the nearest one is taken, and with them the code. Where
 * the centroid has a scale too, s and it are multiplied so that the decoded
 * vector gets the norm of x, and the nearest pair is taken. Errors are then of
 * the whole vector, its scaled centroid less it included.
 *
 * Where errors have weights, reduce_error() then goes on from that code: one
 * level after the other is set to what leaves the least e' * error_weight * e
 * with the scale held, until none changes. Errors of different dimensions come
 * to cancel out in the directions that queries have most of. Scales are chosen
 * anew after that, by the errors above.
 *
 * All sums are of doubles in a fixed order, so that codes are the same on every
 * machine and no square of a float overflows; but for those of weights of
 * errors, which are of floats, and change nothing where they overflow.
 */
struct CodeChooser {
    /// sdc without values of scales: scales are exact
    explicit CodeChooser(const SDCQuantizer& sdc);

    // of the last vector
    std::vector<uint8_t> levels; ///< size coded_dim()
    float scale = 0;
    float centroid_scale = 1;
    uint8_t scale_no = 0; ///< of one byte
    double vv = 0;        ///< the squared norm of its quantized values v
    double cc = 0;        ///< of its centroid plus the origin
    double error = 0;     ///< what is left, as above, with rounded scales

    /** @param y  the vector less its centroid, size dim()
     *  @param x  the vector, size dim()
     */
    void choose(const float* y, const float* x);

    /// of the same y, after choose(); does nothing where errors have no weights
    void reduce_error(const float* y);

   private:
    /// of y, x and the quantized values v = V * unit * range, weighted
    struct Products {
        double yv = 0, vv = 0, xv = 0;
        /// with those along x
        double sum_yv = 0, sum_vv = 0;
    };

    /// what the step of the grid is multiplied by; the first of equal codes is
    /// taken. Measured on residuals of embeddings, more of them gain nothing
    static constexpr std::array<float, 6> kSteps =
            {1, 0.6f, 0.75f, 0.9f, 1.1f, 1.3f};

    /// over all levels, at most; few change after the third one
    static constexpr int kMaxSweeps = 5;

    const SDCQuantizer& sdc;
    const bool has_plain_range;
    const bool has_values;       ///< whether scales are rounded
    const bool scales_centroids; ///< whether centroids have scales
    /// whether errors along x cost more
    const bool has_direction;
    const bool has_error_weight;

    double total_weight = 0; ///< of the dimensions that have bits
    /// what y is divided by for each step, size coded_dim() each
    std::array<std::vector<float>, kSteps.size()> divisors;
    std::vector<double> unit_range;     ///< unit * range
    std::vector<double> square_weight;  ///< query_weight * unit_range^2
    std::vector<double> inverse_weight; ///< 1 / query_weight, or 0; size dim()

    /// what products with V are made of for one vector, size coded_dim()
    std::vector<double> y_part; ///< query_weight * y * unit_range
    std::vector<double> x_part; ///< x * unit_range
    double along = 0;           ///< over |x|^2; 0: there is no x
    double along_y = 0;         ///< <x, y>
    double xx = 0;              ///< |x|^2
    double yy = 0;              ///< |y|_w^2, of all dimensions

    std::vector<uint8_t> attempt;
    std::vector<float> integers; ///< V of an attempt

    // for weights of errors
    std::vector<float> errors;    ///< of the decoded vector, size dim()
    std::vector<float> gradients; ///< error_weight * errors, size coded_dim()
    std::vector<float> zeros;     ///< that their products start from
    std::vector<float> moves;     ///< by one level, for a scale of 1, likewise
    std::vector<int> steps;       ///< one level of a dimension, likewise

    void set_vector(const float* y, const float* x);
    void set_direction(const float* y, const float* x);
    Products try_step(const float* y, size_t step, uint8_t* levels);
    Products get_products(const uint8_t* levels);
    void set_moves();
    bool improve_levels(float move_scale);
    void set_scales(const float* y, const Products& sums);
    double get_gain(const Products& sums) const;
    float get_scale(const float* y, const Products& sums) const;
    void set_centroid_scale(const Products& sums);
    void round_to_pair(const Products& sums);
    double get_error(const Products& sums) const;
};

} // namespace faiss_bebr
