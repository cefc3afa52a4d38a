#pragma once

#include "io/MappedFile.h"

#include <faiss/Index.h>
#include <faiss/IndexFlatCodes.h>

#include <memory>

namespace faiss_bebr {

using faiss::idx_t;

/** Vectors that stay in a file, read-only, for the refine stage of an index
 * whose codes are in memory: only what is read becomes resident. The file must
 * not be shortened or written to while it is used.
 *
 * Index files say where that file is.
 *
 * All that reads goes to FAISS's own index of such vectors, whose codes are a
 * view of the file. What would change them throws, where that index itself
 * would end the process.
 */
struct IndexMappedVectors : faiss::Index {
    /// IndexFlat or IndexScalarQuantizer of QT_fp16; copies share it
    std::shared_ptr<faiss::IndexFlatCodes> vectors;

    /** @param path          a file that ends with the last vector
     *  @param offset        of the first vector, in bytes
     *  @param n             vectors of d numbers, one after the other
     *  @param numeric_type  Float32 or Float16, in the machine's byte order
     *  @param metric        METRIC_L2 or METRIC_INNER_PRODUCT
     */
    IndexMappedVectors(
            const char* path,
            size_t offset,
            idx_t n,
            int d,
            faiss::NumericType numeric_type,
            faiss::MetricType metric = faiss::METRIC_L2);

    /// The vectors as the index of FAISS's own, for what needs one; it belongs
    /// to this index, and to change it ends the process.
    faiss::Index* get_stock_index() const {
        return vectors.get();
    }

    /// throws, as do reset and remove_ids
    void add(idx_t n, const float* x) override;

    void reset() override;

    size_t remove_ids(const faiss::IDSelector& sel) override;

    void search(
            idx_t n,
            const float* x,
            idx_t k,
            float* distances,
            idx_t* labels,
            const faiss::SearchParameters* params = nullptr) const override;

    void range_search(
            idx_t n,
            const float* x,
            float radius,
            faiss::RangeSearchResult* result,
            const faiss::SearchParameters* params = nullptr) const override;

    void search1(
            const float* x,
            faiss::ResultHandler& handler,
            faiss::SearchParameters* params = nullptr) const override;

    void reconstruct(idx_t key, float* recons) const override;

    void reconstruct_n(idx_t i0, idx_t ni, float* recons) const override;

    /// an id that is not in the file is infinitely far from everything
    faiss::DistanceComputer* get_distance_computer() const override;

    size_t sa_code_size() const override;

    void sa_encode(idx_t n, const float* x, uint8_t* bytes) const override;

    void sa_decode(idx_t n, const uint8_t* bytes, float* x) const override;
};

} // namespace faiss_bebr
