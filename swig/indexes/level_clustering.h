#pragma once

#include "codes/PlaneLayout.h"

#include <faiss/Clustering.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faiss_bebr {

/** k-means of packed codes by the squared distances of their levels, with
 * centroids rounded to levels at the end.
 * @param x                 codes, size n * layout.code_size()
 * @param k                 how many centroids, at most n
 * @param clustering_index  of layout.dim() dimensions; nullptr: an IndexFlatL2
 * @return                  packed centroids
 */
std::vector<uint8_t> cluster_levels(
        const PlaneLayout& layout,
        size_t n,
        const uint8_t* x,
        size_t k,
        const faiss::ClusteringParameters& cp,
        faiss::Index* clustering_index);

} // namespace faiss_bebr
