#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/impl/io.h>

#include <vector>

namespace faiss_bebr {

/** Whether the payload has what version 2 of the format added: dimensions
 * without bits, a range for each dimension, the coarse first stage, and the
 * plane widths or the size of code that a binarizer is trained for.
 */
bool has_version_2(faiss::IOReader& f);

/// the same of version 3: scales of one byte
bool has_version_3(faiss::IOReader& f);

/// the same of version 4: weights of errors
bool has_version_4(faiss::IOReader& f);

/// the same of version 5: continuous binarizers, weights that blocks share
bool has_version_5(faiss::IOReader& f);

/// the same of version 6: the two passes of IndexSDCFastScan
bool has_version_6(faiss::IOReader& f);

/// without the number of dimensions
void write_widths(faiss::IOWriter& f, const PlaneLayout& layout);
std::vector<int> read_widths(faiss::IOReader& f);

/// d * d weights of errors, or none
void write_error_weight(faiss::IOWriter& f, const std::vector<float>& weight);
std::vector<float> read_error_weight(faiss::IOReader& f, int d);

} // namespace faiss_bebr
