#pragma once

#include "kernels/SDCKernels.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** How a code's bits lie in memory: the one place that says so.
 *
 * A code of a vector of d dimensions is nplanes() bit planes, one after the
 * other. Plane t holds one bit for each of the first plane_widths[t]
 * dimensions, least significant bit of each byte first: plane 0 is the sign of
 * b_0 (1 for +1), plane t the sign of the residual r_{t-1} (Binary
 * Embedding-based Retrieval). So the first plane is a plain binary code for any
 * Hamming index, and the first L planes are the code of depth L.
 *
 *     [ plane 0: m_0 / 8 bytes ][ plane 1: m_1 / 8 bytes ] ...
 *
 * The integers behind the bits: with n planes, dimension i has the level
 * c_i = sum over its planes of 2^(n - 1 - t) * bit_t, an unsigned 8-bit
 * integer, and the value V_i = 2 * c_i - level_base[i], an integer that is
 * symmetric around 0. Where all planes are equally wide V is the odd integer
 * 2^(n - 1) * b_i of the paper; a dimension of fewer planes takes the coarser
 * grid with the same unit. Values on the paper's scale are V * unit().
 * Dimensions from plane_widths[0] on have no bits, and kernels do not see them.
 */
struct PlaneLayout {
    std::vector<int> plane_widths;
    int d = 0; ///< of the vectors, at least plane_widths[0]
    /// byte offset of each plane, and of the end: size nplanes() + 1
    std::vector<size_t> plane_offsets;
    /// what makes the values of a dimension symmetric, size coded_dim()
    std::vector<uint8_t> level_base;
    /** Where kernels that transpose bits find what they take for 64 dimensions
     * at a time: for each 8 of them 8 bytes, byte 8 - nplanes() + t from plane
     * t. Size coded_dim() rounded up to 64; empty for codes of more than 256
     * bytes.
     */
    std::vector<uint8_t> byte_places;
    /// which of those bytes there are, a bit for each; size coded_dim() / 64
    std::vector<uint64_t> byte_masks;

    PlaneLayout() = default;

    /** Throws FaissException for other arguments than these.
     * @param plane_widths  1 to 8 widths, multiples of 8, not increasing, at
     *                      most max_dim
     * @param d             plane_widths[0] to max_dim; 0: plane_widths[0]
     */
    explicit PlaneLayout(const std::vector<int>& plane_widths, int d = 0);

    /// nbits planes of m bits each
    static PlaneLayout uniform(int m, int nbits);

    /// of the first planes of the same vectors
    /// @param nbits  1 to nplanes()
    PlaneLayout get_first_planes(int nbits) const;

    /// 32768 dimensions of 8-bit levels times 8-bit queries stay below 2^31
    static constexpr int max_dim = 32768;
    static constexpr int max_nbits = 8;

    int dim() const {
        return d;
    }
    /// the dimensions that have bits
    int coded_dim() const {
        return plane_widths.empty() ? 0 : plane_widths[0];
    }
    int nplanes() const {
        return static_cast<int>(plane_widths.size());
    }
    /// bytes of all planes
    size_t code_size() const {
        return plane_offsets.empty() ? 0 : plane_offsets.back();
    }
    /// one step of V on the paper's scale: 2^(1 - n)
    float unit() const {
        return 2.0f / static_cast<float>(1 << nplanes());
    }
    PlanesView view() const {
        return {coded_dim(),
                nplanes(),
                plane_widths.data(),
                plane_offsets.data(),
                level_base.data(),
                byte_places.empty() ? nullptr : byte_places.data(),
                byte_masks.data()};
    }
    bool operator==(const PlaneLayout& other) const {
        return plane_widths == other.plane_widths && d == other.d;
    }

    /** Levels of a vector on the paper's scale, where codes fill (-2, 2):
     * floor to the grid, clipped at its ends, bits of missing planes zero.
     *
     * @param x         float, size coded_dim()
     * @param levels    output, size coded_dim()
     * @param divisors  what x is divided by to be on that scale, positive, size
     *                  coded_dim(); nullptr: ones
     */
    void quantize(
            const float* x,
            uint8_t* levels,
            const float* divisors = nullptr) const;

    /// @param levels  size coded_dim()
    /// @param code    output, size code_size()
    void pack(const uint8_t* levels, uint8_t* code) const;

    /// inverse of pack
    void unpack(const uint8_t* code, uint8_t* levels) const;

   private:
    void set_byte_places();
};

} // namespace faiss_bebr
