// How products of rows and a matrix are cut into tiles, included by files of
// several instruction sets.

#pragma once

#include <cstddef>
#include <cstring>

namespace faiss_bebr {

namespace {

/// the lanes that products of a row and a row of the matrix are added up in
constexpr size_t kLanes = 16;

/// what SDCKernels::products is given
struct Products {
    size_t d_in;
    size_t d_out;
    const float* x;
    const float* weight;
    const float* start;
    size_t start_stride;
    float* y;
};

/// Few rows take as long as reading the matrix does, and processors do not
/// fetch so many of its rows ahead: those of the next tile of C outputs are
/// asked for.
template <int C>
inline void prefetch_next_tile(const float* weight, size_t d_in) {
    __builtin_prefetch(weight + C * d_in);
}

/// @param totals  of the tile's R rows of C outputs
template <int R, int C>
inline void store_tile(
        const Products& p,
        size_t i,
        size_t o,
        size_t nskip,
        const float* totals) {
    for (int r = 0; r < R; r++) {
        const float* start = p.start + (i + r) * p.start_stride + o;
        float* y = p.y + (i + r) * p.d_out + o;
        float sums[C];
        for (int c = 0; c < C; c++) {
            sums[c] = start[c] + totals[r * C + c];
        }
        if (nskip == 0) {
            std::memcpy(y, sums, sizeof(sums));
            continue;
        }
        for (size_t c = nskip; c < C; c++) {
            y[c] = sums[c];
        }
    }
}

/** Outputs first .. last - 1 of R rows from row i on, C at a time. The last
 * tile reaches back to outputs that are stored already, and leaves out as many.
 */
template <class Tiles, int R, int C>
inline void multiply_rows(
        const Products& p,
        size_t i,
        size_t first,
        size_t last) {
    size_t o = first;
    for (; o + C <= last; o += C) {
        Tiles::template run<R, C>(p, i, o, 0);
    }
    if (o < last && last >= C) {
        Tiles::template run<R, C>(p, i, last - C, o - (last - C));
        return;
    }
    for (; o < last; o++) {
        Tiles::template run<R, 1>(p, i, o, 0);
    }
}

/// the same for up to R rows
template <class Tiles, int R>
inline void multiply_up_to(
        const Products& p,
        size_t i,
        size_t n,
        size_t first,
        size_t last) {
    if constexpr (R == 1) {
        multiply_rows<Tiles, 1, Tiles::kRowOutputs>(p, i, first, last);
    } else if (n >= R) {
        multiply_rows<Tiles, R, Tiles::kOutputs>(p, i, first, last);
    } else {
        multiply_up_to<Tiles, R - 1>(p, i, n, first, last);
    }
}

/** SDCKernels::products. Tiles has kRows and kOutputs of a tile, kRowOutputs
 * of a tile of one row, and a function for one tile:
 *
 *     template <int R, int C>
 *     static void run(const Products& p, size_t i, size_t o, size_t nskip)
 *
 * sets outputs o + nskip .. o + C - 1 of rows i .. i + R - 1.
 */
template <class Tiles>
void multiply(
        size_t n,
        size_t d_in,
        size_t d_out,
        const float* x,
        const float* weight,
        const float* start,
        size_t start_stride,
        float* y) {
    constexpr size_t R = Tiles::kRows;
    constexpr size_t C = Tiles::kOutputs;
    const Products p = {d_in, d_out, x, weight, start, start_stride, y};
    // rows of the matrix that stay in the first-level cache while all x pass
    constexpr size_t panel_bytes = 24 << 10;
    const size_t ntiles = panel_bytes / (sizeof(float) * d_in * C);
    const size_t panel = n <= R ? d_out : C * (ntiles > 0 ? ntiles : 1);
    for (size_t first = 0; first < d_out; first += panel) {
        const size_t last = first + panel < d_out ? first + panel : d_out;
        for (size_t i = 0; i < n; i += R) {
            multiply_up_to<Tiles, Tiles::kRows>(p, i, n - i, first, last);
        }
    }
}

} // namespace

} // namespace faiss_bebr
