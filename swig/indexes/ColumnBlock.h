#pragma once

#include "indexes/ColumnCodes.h"
#include "indexes/block_scan.h"
#include "indexes/flat_search.h"

#include <memory>
#include <vector>

namespace faiss_bebr {

/// What is compared with queries in a scan.
struct DocumentColumns {
    const ColumnCodes* codes;
    /// for METRIC_L2 the least that a document of each group adds to its keys
    /// alone, NaN if one of them is; else empty
    const std::vector<float>* min_norms;
};

/// how queries are compared with columns; all that it takes has to stay
ScanTask<float> make_column_task(
        const FlatQueries& queries,
        const DocumentColumns& documents,
        const faiss::IDSelector* sel);

} // namespace faiss_bebr
