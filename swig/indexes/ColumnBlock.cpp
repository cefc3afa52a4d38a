#include "indexes/ColumnBlock.h"

#include "indexes/BoundBlock.h"
#include "indexes/ColumnBoundBlock.h"
#include "indexes/SDCBlock.h"

#include <algorithm>

namespace faiss_bebr {

namespace {

/// queries from which on it pays to copy codes one after the other
constexpr size_t kManyQueries = 32;

/// Documents of columns as a block of such codes takes them.
struct CopiedBlock : DocumentBlock<float> {
    /** @param make_block  of the memory that codes will be copied to, in which
     *                     document i has row i
     */
    template <class MakeBlock>
    CopiedBlock(
            const ColumnCodes& columns_in,
            size_t block_size,
            const MakeBlock& make_block)
            : columns(columns_in),
              codes(block_size * columns.code_size),
              block(make_block(codes.data())) {}

    void load(const idx_t* ids, size_t n) override {
        for (size_t j = 0; j < n; j++) {
            columns.read(ids[j], codes.data() + j * columns.code_size);
        }
        block->load_range(0, n);
    }

    void load_range(idx_t i, size_t n) override {
        columns.read(i, n, codes.data());
        block->load_range(0, n);
    }

    void compute(size_t q0, size_t nq, const float* thresholds) override {
        block->compute(q0, nq, thresholds);
    }

    size_t collect(size_t q, float threshold, uint32_t* hits, float* keys)
            override {
        return block->collect(q, threshold, hits, keys);
    }

    bool is_worth_it() const override {
        return block->is_worth_it();
    }

   private:
    const ColumnCodes& columns;
    std::vector<uint8_t> codes;
    std::unique_ptr<DocumentBlock<float>> block;
};

/// for many queries, as IndexSDC has them
void set_copied_bounds(
        const FlatQueries& queries,
        const ColumnCodes& columns,
        ScanTask<float>& task) {
    const BoundScan bounds = {
            queries.sdc,
            queries.levels,
            *queries.tables,
            *queries.table_kernels,
            nullptr};
    const size_t block_size = bounds.get_block_size();
    task.sparse_block_size = block_size;
    task.make_sparse_block = [&queries, &columns, block_size]() {
        return std::make_unique<CopiedBlock>(
                columns, block_size, [&](const uint8_t* codes) {
                    return make_bound_block(
                            {queries.sdc,
                             queries.levels,
                             *queries.tables,
                             *queries.table_kernels,
                             codes});
                });
    };
}

bool can_scan_columns(const FlatQueries& queries) {
    if (!queries.tables || queries.size() >= kManyQueries) {
        return false;
    }
    // norms of centroids and residuals, or of levels, take the codes themselves
    const bool needs_norms = queries.has_estimates() &&
            queries.sdc.metric_type == faiss::METRIC_L2 &&
            (queries.sdc.ncentroids > 0 ||
             queries.tables->layout.nplanes() > 1);
    return !needs_norms;
}

} // namespace

ScanTask<float> make_column_task(
        const FlatQueries& queries,
        const DocumentColumns& documents,
        const faiss::IDSelector* sel) {
    const ColumnCodes& columns = *documents.codes;
    const bool scans_columns = can_scan_columns(queries);
    // of blocks whose documents are all compared, which is then only to find
    // the first thresholds; whole groups
    const size_t block_size = scans_columns
            ? kColumn
            : std::max(get_block_size(queries.sdc.dim()) / kColumn, size_t(1)) *
                    kColumn;
    ScanTask<float> task = {
            queries.size(),
            idx_t(columns.n),
            sel,
            block_size,
            size_t(queries.sdc.dim()),
            [&queries, &columns, block_size]() {
                return std::make_unique<CopiedBlock>(
                        columns, block_size, [&](const uint8_t* codes) {
                            return std::make_unique<SDCBlock>(
                                    queries.sdc,
                                    queries.levels,
                                    codes,
                                    block_size);
                        });
            }};
    if (scans_columns) {
        task.sparse_block_size = ColumnBoundBlock::block_size;
        // a candidate takes no longer than a document of other blocks
        task.seen_before_sparse = 4;
        task.make_sparse_block = [&queries, documents]() {
            return std::make_unique<ColumnBoundBlock>(queries, documents);
        };
    } else if (queries.tables) {
        set_copied_bounds(queries, columns, task);
    }
    if (queries.has_estimates()) {
        set_estimates(task);
    }
    return task;
}

} // namespace faiss_bebr
