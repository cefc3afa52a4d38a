#include "autotune/ParameterSpace.h"

#include "indexes/IndexSDC.h"

#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/impl/ThreadedIndex.h>

namespace faiss_bebr {

using faiss::Index;
using faiss::IndexBinary;

namespace {

/// what a container hands searches on to, or nullptr if it is none
const Index* get_searched_part(const Index* index) {
    if (auto* id_map = dynamic_cast<const faiss::IndexIDMap*>(index)) {
        return id_map->index;
    }
    if (auto* chain = dynamic_cast<const faiss::IndexPreTransform*>(index)) {
        return chain->index;
    }
    if (auto* refine = dynamic_cast<const faiss::IndexRefine*>(index)) {
        return refine->base_index;
    }
    // shards are built alike, so the first one has the parameters of all
    if (auto* parts = dynamic_cast<const faiss::ThreadedIndex<Index>*>(index)) {
        return parts->count() > 0 ? parts->at(0) : nullptr;
    }
    return nullptr;
}

} // namespace

void ParameterSpace::initialize(const Index* index) {
    while (const Index* part = get_searched_part(index)) {
        if (dynamic_cast<const faiss::IndexRefine*>(index)) {
            add_range("k_factor_rf").values = {1, 2, 4, 8, 16, 32, 64};
        }
        index = part;
    }
    faiss::ParameterSpace::initialize(index);
    if (dynamic_cast<const IndexSDC*>(index)) {
        add_range("k_factor").values = {1, 2, 4, 8, 16, 32, 64};
    }
    if (auto* ivf = dynamic_cast<const faiss::IndexIVF*>(index)) {
        ParameterSpace of_quantizer;
        of_quantizer.initialize(ivf->quantizer);
        for (const faiss::ParameterRange& range :
             of_quantizer.parameter_ranges) {
            add_range("quantizer_" + range.name).values = range.values;
        }
    }
}

void ParameterSpace::set_index_parameter(
        Index* index,
        const std::string& name,
        double val) const {
    auto* sdc = dynamic_cast<IndexSDC*>(index);
    if (sdc && name == "k_factor") {
        sdc->k_factor = static_cast<float>(val);
    } else if (sdc && name == "first_nbits") {
        sdc->first_nbits = static_cast<int>(val);
    } else {
        faiss::ParameterSpace::set_index_parameter(index, name, val);
    }
}

void ParameterSpace::set_index_parameter(
        IndexBinary* index,
        const std::string& name,
        double val) const {
    if (auto* parts = dynamic_cast<faiss::ThreadedIndex<IndexBinary>*>(index)) {
        for (int i = 0; i < parts->count(); i++) {
            set_index_parameter(parts->at(i), name, val);
        }
        return;
    }
    faiss::ParameterSpace::set_index_parameter(index, name, val);
}

} // namespace faiss_bebr
