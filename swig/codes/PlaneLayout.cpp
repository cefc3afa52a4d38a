#include "codes/PlaneLayout.h"

#include <faiss/impl/FaissAssert.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace faiss_bebr {

PlaneLayout::PlaneLayout(const std::vector<int>& plane_widths_in, int d_in)
        : plane_widths(plane_widths_in), plane_offsets(1, 0) {
    const int n = nplanes();
    FAISS_THROW_IF_NOT_FMT(
            n >= 1 && n <= max_nbits,
            "nbits must be in 1..%d, got %d",
            max_nbits,
            n);
    int previous = max_dim;
    for (int width : plane_widths) {
        FAISS_THROW_IF_NOT_FMT(
                width > 0 && width % 8 == 0,
                "a plane's width must be a positive multiple of 8, got %d",
                width);
        FAISS_THROW_IF_NOT_FMT(
                width <= previous,
                "plane widths must not increase nor exceed %d, got %d",
                previous,
                width);
        previous = width;
        plane_offsets.push_back(plane_offsets.back() + width / 8);
    }
    d = d_in == 0 ? coded_dim() : d_in;
    FAISS_THROW_IF_NOT_FMT(
            d >= coded_dim() && d <= max_dim,
            "d must be in %d..%d, the width of the first plane and the most "
            "that is supported, got %d",
            coded_dim(),
            max_dim,
            d);
    level_base.resize(coded_dim());
    for (int i = 0; i < coded_dim(); i++) {
        for (int t = 0; t < n && i < plane_widths[t]; t++) {
            level_base[i] += 1 << (n - 1 - t);
        }
    }
    set_byte_places();
}

void PlaneLayout::set_byte_places() {
    if (code_size() > 256) {
        return;
    }
    byte_masks.resize((coded_dim() + 63) / 64);
    byte_places.resize(64 * byte_masks.size());
    for (int t = 0; t < nplanes(); t++) {
        for (int i = 0; i < plane_widths[t]; i += 8) {
            const int place = i + 8 - nplanes() + t;
            byte_places[place] = static_cast<uint8_t>(plane_offsets[t] + i / 8);
            byte_masks[place / 64] |= uint64_t(1) << (place % 64);
        }
    }
}

PlaneLayout PlaneLayout::uniform(int m, int nbits) {
    FAISS_THROW_IF_NOT_FMT(
            nbits >= 1 && nbits <= max_nbits,
            "nbits must be in 1..%d, got %d",
            max_nbits,
            nbits);
    return PlaneLayout(std::vector<int>(nbits, m));
}

PlaneLayout PlaneLayout::get_first_planes(int nbits) const {
    FAISS_THROW_IF_NOT_FMT(
            nbits >= 1 && nbits <= nplanes(),
            "nbits must be in 1..%d, got %d",
            nplanes(),
            nbits);
    const auto first = plane_widths.begin();
    return PlaneLayout(std::vector<int>(first, first + nbits), d);
}

void PlaneLayout::quantize(
        const float* x,
        uint8_t* levels,
        const float* divisors) const {
    const int m = coded_dim();
    const int half = 1 << (nplanes() - 1);
    const float steps_per_one = std::ldexp(1.0f, nplanes() - 2);
    const float lowest = static_cast<float>(-half);
    const float highest = static_cast<float>(half - 1);
    const uint8_t* base = level_base.data();
    // in a form that compilers vectorize: no call of floor, no branch
    for (int i = 0; i < m; i++) {
        const float value = divisors ? x[i] / divisors[i] : x[i];
        const float place =
                std::min(std::max(value * steps_per_one, lowest), highest);
        const int truncated = static_cast<int>(place);
        int cell = truncated - (place < static_cast<float>(truncated));
        // half of the least denormal rounds to 0, but is on the other side
        cell = value < 0 ? std::min(cell, -1) : cell;
        // a dimension's planes are the upper bits of level_base
        levels[i] = static_cast<uint8_t>(cell + half) & base[i];
    }
}

void PlaneLayout::pack(const uint8_t* levels, uint8_t* code) const {
    for (int t = 0; t < nplanes(); t++) {
        const int shift = nplanes() - 1 - t;
        uint8_t* plane = code + plane_offsets[t];
        for (int i = 0; i < plane_widths[t]; i += 8) {
            int byte = 0;
            for (int j = 0; j < 8; j++) {
                byte |= ((levels[i + j] >> shift) & 1) << j;
            }
            plane[i / 8] = static_cast<uint8_t>(byte);
        }
    }
}

void PlaneLayout::unpack(const uint8_t* code, uint8_t* levels) const {
    std::memset(levels, 0, coded_dim());
    for (int t = 0; t < nplanes(); t++) {
        const int shift = nplanes() - 1 - t;
        const uint8_t* plane = code + plane_offsets[t];
        for (int i = 0; i < plane_widths[t]; i++) {
            levels[i] |= ((plane[i / 8] >> (i % 8)) & 1) << shift;
        }
    }
}

} // namespace faiss_bebr
