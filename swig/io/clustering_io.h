#pragma once

#include <faiss/Clustering.h>
#include <faiss/impl/io.h>

namespace faiss_bebr {

// How an index that is still to be trained will do its k-means.

void write_clustering(
        faiss::IOWriter& f,
        const faiss::ClusteringParameters& cp);

/// throws for values that none has
void read_clustering(faiss::IOReader& f, faiss::ClusteringParameters& cp);

} // namespace faiss_bebr
