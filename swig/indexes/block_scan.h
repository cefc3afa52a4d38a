#pragma once

#include <faiss/MetricType.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

namespace faiss {
struct IDSelector;
struct RangeSearchResult;
} // namespace faiss

namespace faiss_bebr {

using faiss::idx_t;

/// queries compared with a block before the next ones: a multiple of the tiles
/// of all kernels, with results that stay in the first-level cache
constexpr size_t kQueryTile = 12;

/** A block of documents with all that one thread needs to compare queries
 * with it. Keys are ordered so that smaller is better for either metric.
 */
template <class Key>
struct DocumentBlock {
    virtual ~DocumentBlock() {}

    /// Take up the documents ids[0] .. ids[n - 1], n <= block size.
    virtual void load(const idx_t* ids, size_t n) = 0;

    /// Take up the documents i .. i + n - 1, for blocks that need no ids.
    virtual void load_range(idx_t i, size_t n) {
        range.resize(n);
        std::iota(range.begin(), range.end(), i);
        load(range.data(), n);
    }

    /** Compare the queries q0 .. q0 + nq - 1 with the block, nq <= kQueryTile.
     * @param thresholds  size nq, not below those of collect()
     */
    virtual void compute(size_t q0, size_t nq, const Key* thresholds) = 0;

    /** Documents of the block whose key for query q is below the threshold.
     * @param q     one of those of the last compute()
     * @param hits  output, places in the block, in any order
     * @param keys  output
     * @return      how many; places past n may be among them
     */
    virtual size_t collect(
            size_t q,
            Key threshold,
            uint32_t* hits,
            Key* keys) = 0;

    /// whether few enough keys were below the thresholds since load()
    virtual bool is_worth_it() const {
        return true;
    }

   private:
    std::vector<idx_t> range; ///< working memory of load_range()
};

/// What is scanned: nq queries against ntotal documents.
template <class Key>
struct ScanTask {
    size_t nq;
    idx_t ntotal;
    const faiss::IDSelector* sel; ///< nullptr: all documents
    size_t block_size;            ///< documents, a multiple of the group size
    size_t ops_per_pair;          ///< for the interval of interrupt checks
    std::function<std::unique_ptr<DocumentBlock<Key>>()> make_block;

    /// of a kind that is faster where few keys are below the thresholds;
    /// nullptr: there is none
    std::function<std::unique_ptr<DocumentBlock<Key>>()> make_sparse_block =
            nullptr;
    size_t sparse_block_size = 0;
    /// how many documents are seen for each of k results before sparse blocks
    size_t seen_before_sparse = 16;
};

/// documents whose unpacked form fills a part of the second-level cache
size_t get_block_size(size_t bytes_per_document);

/** k-nearest-neighbour scan with all OpenMP threads, over queries or, when
 * these are few, over documents. Ties go to the smaller id, so the result does
 * not depend on blocks and threads. Throws when interrupted (Ctrl-C).
 * @param keys  output, size nq * k, padded with the largest key
 * @param ids   output, size nq * k, padded with -1
 */
template <class Key>
void scan_knn(const ScanTask<Key>& task, idx_t k, Key* keys, idx_t* ids);

/** All documents with a key below the radius, in the order of their ids.
 * The distances of `result` are output(key).
 */
template <class Key>
void scan_range(
        const ScanTask<Key>& task,
        Key radius,
        const std::function<float(Key)>& output,
        faiss::RangeSearchResult* result);

} // namespace faiss_bebr
