// The kernels that compare a query with codes one after the other, of every
// instruction set that this processor has, with the definitions in
// SDCKernels.h.

#include "all_kernels.h"
#include "check.h"
#include "codes/PlaneLayout.h"

using namespace faiss_bebr;
using test::Exact;
using test::get_all_kernels;
using test::make_bytes;
using test::Note;

struct Distances {
    std::vector<int64_t> l2sqr, product;
};

static Distances compare_by_loop(
        const PlaneLayout& layout,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n) {
    const int max_level = (1 << layout.nplanes()) - 1;
    const std::vector<int> a = test::read_levels(layout.plane_widths, query);
    Distances distances;
    for (size_t k = 0; k < n; k++) {
        const std::vector<int> b = test::read_levels(
                layout.plane_widths, codes + k * layout.code_size());
        int64_t l2sqr = 0;
        int64_t product = 0;
        for (int i = 0; i < layout.dim(); i++) {
            l2sqr += (a[i] - b[i]) * (a[i] - b[i]);
            product += (2 * a[i] - max_level) * (2 * b[i] - max_level);
        }
        distances.l2sqr.push_back(l2sqr);
        distances.product.push_back(product);
    }
    return distances;
}

/// @param kinds  of the bytes of the query and of the codes, see make_bytes()
static void check_rows(
        int dim,
        int nplanes,
        size_t n,
        std::pair<int, int> kinds,
        test::Random& random) {
    const Note note("dim", dim, "nplanes", nplanes, "n", n);
    const Note more("kinds", kinds.first, kinds.second);
    const PlaneLayout layout = PlaneLayout::uniform(dim, nplanes);
    Exact<uint8_t> query(make_bytes(random, layout.code_size(), kinds.first));
    Exact<uint8_t> codes(
            make_bytes(random, n * layout.code_size(), kinds.second));
    const Distances expected =
            compare_by_loop(layout, query.data(), codes.data(), n);
    for (const SDCKernels& kernels : get_all_kernels()) {
        const Note name("kernels", kernels.name);
        Exact<int32_t> l2sqr(n), product(n);
        kernels.row_l2sqr(
                layout.view(), query.data(), codes.data(), n, l2sqr.data());
        kernels.row_product(
                layout.view(), query.data(), codes.data(), n, product.data());
        for (size_t k = 0; k < n; k++) {
            CHECK_EQUAL(int64_t(l2sqr[k]), expected.l2sqr[k]);
            CHECK_EQUAL(int64_t(product[k]), expected.product[k]);
        }
    }
}

// Planes that share registers, fill some, and leave a rest in the last one.
TEST(rows_of_all_shapes) {
    test::Random random(1);
    for (int nplanes = 1; nplanes <= kMaxRowPlanes; nplanes++) {
        for (int dim :
             {8,
              24,
              64,
              72,
              120,
              128,
              136,
              192,
              256,
              264,
              384,
              512,
              520,
              768,
              1000,
              1024,
              1032,
              1536}) {
            for (size_t n : {1, 2, 3, 4, 7, 21}) {
                check_rows(dim, nplanes, n, {0, 0}, random);
            }
        }
    }
}

TEST(any_number_of_short_rows) {
    test::Random random(2);
    for (int nplanes : {1, 2, 4}) {
        for (int dim : {64, 128, 256}) {
            for (size_t n = 0; n <= 70; n++) {
                check_rows(dim, nplanes, n, {0, 0}, random);
            }
        }
    }
}

// The largest levels and differences.
TEST(rows_of_extreme_values) {
    test::Random random(3);
    for (int nplanes = 1; nplanes <= kMaxRowPlanes; nplanes++) {
        for (int dim : {8, 64, 128, 256, 520, PlaneLayout::max_dim}) {
            for (int query : {0, 1, 2}) {
                for (int codes : {1, 2}) {
                    check_rows(dim, nplanes, 6, {query, codes}, random);
                }
            }
        }
    }
}
