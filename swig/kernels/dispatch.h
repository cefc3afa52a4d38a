#pragma once

#include "kernels/SDCKernels.h"
#include "kernels/TableKernels.h"

#include <faiss/utils/simd_levels.h>

namespace faiss_bebr {

/** What get_kernels() takes on this processor.
 * @param level     the level that FAISS uses
 * @param detected  the level that FAISS found
 */
const SDCKernels& choose_kernels(
        faiss::SIMDLevel level,
        faiss::SIMDLevel detected);

/// what get_table_kernels() takes
const TableKernels* choose_table_kernels(
        faiss::SIMDLevel level,
        faiss::SIMDLevel detected);

} // namespace faiss_bebr
