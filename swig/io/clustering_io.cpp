#include "io/clustering_io.h"

#include "io/fields.h"

#include <limits>

namespace faiss_bebr {

void write_clustering(
        faiss::IOWriter& f,
        const faiss::ClusteringParameters& cp) {
    write_number<int32_t>(f, cp.niter);
    write_number<int32_t>(f, cp.nredo);
    for (bool flag :
         {cp.verbose,
          cp.spherical,
          cp.int_centroids,
          cp.update_index,
          cp.frozen_centroids,
          cp.check_input_data_for_NaNs,
          cp.use_faster_subsampling}) {
        write_bool(f, flag);
    }
    write_number<int32_t>(f, cp.min_points_per_centroid);
    write_number<int32_t>(f, cp.max_points_per_centroid);
    write_number<int32_t>(f, cp.seed);
    write_number<uint64_t>(f, cp.decode_block_size);
    write_number<uint8_t>(f, uint8_t(cp.init_method));
    write_number<uint16_t>(f, cp.afkmc2_chain_length);
    write_number<double>(f, cp.early_stop_threshold);
}

void read_clustering(faiss::IOReader& f, faiss::ClusteringParameters& cp) {
    constexpr int32_t max = std::numeric_limits<int32_t>::max();
    cp.niter = read_number_in<int32_t>(f, "cp.niter", 0, max);
    cp.nredo = read_number_in<int32_t>(f, "cp.nredo", 0, max);
    for (bool* flag :
         {&cp.verbose,
          &cp.spherical,
          &cp.int_centroids,
          &cp.update_index,
          &cp.frozen_centroids,
          &cp.check_input_data_for_NaNs,
          &cp.use_faster_subsampling}) {
        *flag = read_bool(f, "a flag of cp");
    }
    cp.min_points_per_centroid =
            read_number_in<int32_t>(f, "cp.min_points_per_centroid", 0, max);
    cp.max_points_per_centroid =
            read_number_in<int32_t>(f, "cp.max_points_per_centroid", 0, max);
    cp.seed = read_number<int32_t>(f);
    cp.decode_block_size = read_number<uint64_t>(f);
    cp.init_method = static_cast<faiss::ClusteringInitMethod>(
            read_number_in<uint8_t>(f, "cp.init_method", 0, 2));
    cp.afkmc2_chain_length = read_number<uint16_t>(f);
    cp.early_stop_threshold = read_number<double>(f);
}

} // namespace faiss_bebr
