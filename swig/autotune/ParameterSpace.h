#pragma once

#include <faiss/AutoTune.h>

#include <string>

namespace faiss_bebr {

/** Sets and explores the parameters of FAISS's indexes and of this package's,
 * through any nesting of both:
 *
 *     nprobe, max_codes      inverted files, IndexBinaryIVFSDC too
 *     k_factor, first_nbits  the two passes of IndexSDC
 *     k_factor_rf            IndexRefine
 *     efSearch               graphs
 *     quantizer_...          the same of the coarse quantizer
 */
struct ParameterSpace : faiss::ParameterSpace {
    void initialize(const faiss::Index* index) override;

    void set_index_parameter(
            faiss::Index* index,
            const std::string& name,
            double val) const override;

    void set_index_parameter(
            faiss::IndexBinary* index,
            const std::string& name,
            double val) const override;
};

} // namespace faiss_bebr
