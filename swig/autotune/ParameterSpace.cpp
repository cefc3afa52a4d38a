#include "autotune/ParameterSpace.h"

#include "indexes/IndexBinaryIVFSDC.h"
#include "indexes/IndexSDC.h"
#include "indexes/IndexSDCFastScan.h"

#include <faiss/IndexBinaryFromFloat.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/ThreadedIndex.h>

#include <climits>
#include <cmath>

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

/// whether the parameter is one of an inverted file
bool set_ivf_parameter(
        const ParameterSpace& space,
        IndexBinaryIVFSDC& ivf,
        const std::string& name,
        double val) {
    const std::string prefix = "quantizer_";
    if (name == "nprobe") {
        FAISS_THROW_IF_NOT_FMT(
                val >= 1 && val <= INT_MAX,
                "nprobe must be in 1..%d, got %g",
                INT_MAX,
                val);
        ivf.nprobe = static_cast<size_t>(val);
    } else if (name == "max_codes") {
        FAISS_THROW_IF_NOT_FMT(val >= 0, "max_codes is negative: %g", val);
        // more than any index has is no limit, as infinity is in FAISS
        ivf.max_codes = val < 1e18 ? static_cast<size_t>(val) : 0;
    } else if (name == "efSearch" || name == "efConstruction") {
        space.set_index_parameter(ivf.quantizer, name, val);
    } else if (name.compare(0, prefix.size(), prefix) == 0) {
        const std::string rest = name.substr(prefix.size());
        space.set_index_parameter(ivf.quantizer, rest, val);
    } else {
        return false;
    }
    return true;
}

/// planes of the codes of an index that has two passes, else 0
int get_num_planes(const Index* index) {
    if (auto* sdc = dynamic_cast<const IndexSDC*>(index)) {
        return sdc->sdc.layout.nplanes();
    }
    auto* fast_scan = dynamic_cast<const IndexSDCFastScan*>(index);
    return fast_scan ? fast_scan->codec.sdc.layout.nplanes() : 0;
}

/// whether the parameter is one of the two passes of the index
bool set_two_pass_parameter(Index* index, const std::string& name, double val) {
    const int nplanes = get_num_planes(index);
    if (nplanes == 0) {
        return false;
    }
    auto* sdc = dynamic_cast<IndexSDC*>(index);
    auto* fast_scan = dynamic_cast<IndexSDCFastScan*>(index);
    if (name == "k_factor") {
        FAISS_THROW_IF_NOT_FMT(
                val >= 1 && std::isfinite(val),
                "k_factor must be at least 1 and finite, got %g",
                val);
        (sdc ? sdc->k_factor : fast_scan->k_factor) = static_cast<float>(val);
    } else if (name == "first_nbits") {
        FAISS_THROW_IF_NOT_FMT(
                val >= 1 && val <= nplanes,
                "first_nbits must be in 1..%d, got %g",
                nplanes,
                val);
        (sdc ? sdc->first_nbits : fast_scan->first_nbits) =
                static_cast<int>(val);
    } else {
        return false;
    }
    return true;
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
    const int nplanes = get_num_planes(index);
    if (nplanes > 1) {
        // 1 is the single pass, which finds most
        add_range("k_factor").values = {2, 4, 8, 16, 32, 64, 1};
        std::vector<double>& values = add_range("first_nbits").values;
        values.clear();
        for (int nbits = 1; nbits < nplanes; nbits++) {
            values.push_back(nbits);
        }
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
    if (!set_two_pass_parameter(index, name, val)) {
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
    if (auto* floats = dynamic_cast<faiss::IndexBinaryFromFloat*>(index)) {
        set_index_parameter(floats->index, name, val);
        return;
    }
    auto* ivf = dynamic_cast<IndexBinaryIVFSDC*>(index);
    if (ivf && set_ivf_parameter(*this, *ivf, name, val)) {
        return;
    }
    faiss::ParameterSpace::set_index_parameter(index, name, val);
}

} // namespace faiss_bebr
