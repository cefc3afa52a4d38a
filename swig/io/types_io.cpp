#include "io/types_io.h"

#include "codes/check_arguments.h"
#include "io/clustering_io.h"
#include "io/fields.h"
#include "io/ivf_io.h"
#include "io/layout_io.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace faiss_bebr {

using faiss::IOReader;
using faiss::IOWriter;

namespace {

faiss::MetricType read_metric(IOReader& f) {
    // which of the two it is, or another, the constructors check
    return static_cast<faiss::MetricType>(
            read_number_in<int32_t>(f, "the metric", 0, 1));
}

void write_quantizer(IOWriter& f, const SDCQuantizer& sdc) {
    write_widths(f, sdc.layout);
    write_number<int32_t>(f, sdc.layout.d);
    write_number<int32_t>(f, sdc.metric_type);
    write_number<int32_t>(f, sdc.scale_type);
    write_array(f, sdc.range);
    write_number<float>(f, sdc.grid_step);
    write_array(f, sdc.query_weight);
    write_array(f, sdc.query_offset);
    write_error_weight(f, sdc.error_weight);
    write_number<uint8_t>(f, sdc.scale_bytes);
    write_array(f, sdc.scale_values);
    write_bool(f, !sdc.centroid_scales.empty());
    write_array(f, sdc.centroid_scales);
}

void read_scales(IOReader& f, SDCQuantizer& sdc) {
    const size_t n = SDCQuantizer::num_scale_values;
    sdc.set_scale_bytes(
            read_number_in<uint8_t>(f, "the bytes of a scale", 1, 2));
    const std::vector<float> values =
            read_array<float>(f, sdc.scale_bytes == 1 ? n : 0);
    const bool scales_centroids = read_bool(f, "scales of centroids");
    const std::vector<float> centroid_scales =
            read_array<float>(f, scales_centroids ? n : 0);
    if (sdc.scale_bytes == 1) {
        sdc.set_scale_values(values, centroid_scales);
    }
    FAISS_THROW_IF_NOT_MSG(
            !scales_centroids || sdc.scale_bytes == 1,
            "the index file is corrupted: scales of centroids");
}

/// when all of it is read; what is trained is complete
void check_quantizer(const SDCQuantizer& sdc, bool is_trained) {
    FAISS_THROW_IF_NOT_MSG(
            sdc.centroid_scales.empty() || sdc.needs_centroid_scales(),
            "the index file is corrupted: scales of centroids");
    if (is_trained) {
        sdc.check_trained();
    }
}

SDCQuantizer read_quantizer(IOReader& f) {
    const std::vector<int> widths = read_widths(f);
    const int d = !has_version_2(f)
            ? widths[0]
            : read_number_in<int32_t>(f, "d", widths[0], PlaneLayout::max_dim);
    SDCQuantizer sdc(widths, read_metric(f), d);
    sdc.scale_type = static_cast<ScaleType>(read_number_in<int32_t>(
            f, "the type of scale", Scale_unbiased, Scale_cosine));
    const int m = sdc.layout.coded_dim();
    const std::vector<float> range = has_version_2(f)
            ? read_array<float>(f, m)
            : std::vector<float>(m, 1.0f);
    sdc.set_range(range, read_number<float>(f));
    const std::vector<float> weight = read_array<float>(f, sdc.dim());
    const std::vector<float> offset = read_array<float>(f, sdc.dim());
    sdc.set_query_map(weight, offset);
    sdc.set_error_weight(read_error_weight(f, sdc.dim()));
    if (has_version_3(f)) {
        read_scales(f, sdc);
    }
    return sdc;
}

/// @return  the number of codes, which the rest of the payload has room for
idx_t read_ntotal(IOReader& f, size_t code_size) {
    const idx_t ntotal = read_number_in<idx_t>(
            f, "ntotal", 0, std::numeric_limits<idx_t>::max());
    check_room(f, ntotal, code_size);
    return ntotal;
}

void check_nlist(size_t nlist, idx_t ncentroids) {
    FAISS_THROW_IF_NOT_FMT(
            is_plausible_nlist(nlist, ncentroids),
            "files have no %zd lists for %zd centroids: train before",
            nlist,
            size_t(ncentroids));
}

/// stands for the binarizer that an untrained index was linked to
const BinarizerTransform* get_missing_binarizer() {
    static const BinarizerTransform missing(8, {8});
    return &missing;
}

template <class IndexT>
void relink(IndexT* index, const BinarizerTransform* binarizer) {
    if (index && index->binarizer) {
        if (binarizer) {
            index->sdc.check_fits(*binarizer);
        }
        index->binarizer = binarizer ? binarizer : get_missing_binarizer();
    }
}

/// after ntotal and is_trained
template <class IndexT>
void read_link(IOReader& f, IndexT& index) {
    if (read_bool(f, "whether there is a binarizer")) {
        FAISS_THROW_IF_NOT_MSG(
                !index.is_trained && index.ntotal == 0,
                "the index file is corrupted: a trained index is linked");
        index.binarizer = get_missing_binarizer();
        index.follows_binarizer =
                has_version_2(f) && read_bool(f, "whether it is followed");
    }
}

template <class IndexT>
void write_link(IOWriter& f, const IndexT& index) {
    write_bool(f, index.binarizer);
    if (index.binarizer) {
        write_bool(f, index.follows_binarizer);
    }
}

/// the coarse first stage; what it has depends on is_trained
void write_centroids(IOWriter& f, const IndexSDC& index) {
    write_number<uint32_t>(f, index.sdc.ncentroids);
    if (index.sdc.ncentroids > 0) {
        write_clustering(f, index.cp);
        if (index.is_trained) {
            index.sdc.check_centroids();
            write_array(f, index.sdc.centroids);
        }
    }
}

void read_centroids(IOReader& f, IndexSDC& index) {
    if (!has_version_2(f)) {
        return;
    }
    SDCQuantizer& sdc = index.sdc;
    sdc.ncentroids = read_number_in<uint32_t>(
            f, "ncentroids", 0, SDCQuantizer::max_ncentroids);
    index.code_size = sdc.code_size();
    if (sdc.ncentroids == 0) {
        return;
    }
    read_clustering(f, index.cp);
    if (index.is_trained) {
        sdc.centroids = read_array<float>(f, sdc.ncentroids * sdc.dim());
        check_finite(sdc.ncentroids, sdc.dim(), sdc.centroids.data());
    }
}

/// what flat indexes have of codes, but the codes
void write_codec(IOWriter& f, const IndexSDC& index) {
    write_quantizer(f, index.sdc);
    write_bool(f, index.is_trained);
    write_centroids(f, index);
}

std::unique_ptr<IndexSDC> read_codec(IOReader& f) {
    const SDCQuantizer sdc = read_quantizer(f);
    auto index = std::make_unique<IndexSDC>(
            sdc.layout.plane_widths, sdc.metric_type, sdc.dim());
    index->sdc = sdc;
    index->code_size = sdc.code_size();
    index->is_trained = read_bool(f, "is_trained");
    read_centroids(f, *index);
    check_quantizer(index->sdc, index->is_trained);
    return index;
}

} // namespace

void relink_binarizer(
        faiss::Index* index,
        const BinarizerTransform* binarizer) {
    relink(dynamic_cast<IndexSDC*>(index), binarizer);
    auto* fast_scan = dynamic_cast<IndexSDCFastScan*>(index);
    relink(fast_scan ? &fast_scan->codec : nullptr, binarizer);
    relink(dynamic_cast<IndexIVFSDC*>(index), binarizer);
}

void write_flat_codes(const faiss::IndexFlatCodes* index, IOWriter* f) {
    write_number<idx_t>(*f, index->ntotal);
    write_array(*f, index->codes.data(), index->codes.size());
}

void read_flat_codes(faiss::IndexFlatCodes* index, IOReader* f) {
    const idx_t ntotal = read_ntotal(*f, index->code_size);
    index->codes = get_payload(*f).take(ntotal * index->code_size);
    index->ntotal = ntotal;
}

void write_IndexSDC(const IndexSDC* index, IOWriter* f) {
    write_codec(*f, *index);
    write_number(*f, index->k_factor);
    write_number<int32_t>(*f, index->first_nbits);
    write_flat_codes(index, f);
    write_link(*f, *index);
}

IndexSDC* read_IndexSDC(IOReader* f) {
    std::unique_ptr<IndexSDC> index = read_codec(*f);
    index->k_factor = read_number<float>(*f);
    index->first_nbits = read_number<int32_t>(*f);
    read_flat_codes(index.get(), f);
    if (index->codes.is_owned) { // the checksum is for those of mapped files
        index->sdc.check_codes(index->ntotal, index->codes.data());
    }
    read_link(*f, *index);
    return index.release();
}

namespace {

/// codes that are in memory as rows at a time, whole groups of columns
constexpr idx_t kRowsAtOnce = 4096;

} // namespace

void write_IndexSDCFastScan(const IndexSDCFastScan* index, IOWriter* f) {
    const idx_t ntotal = index->codes.n;
    FAISS_THROW_IF_NOT_MSG(
            index->is_trained || ntotal == 0,
            "files have no codes of an index that is not trained");
    IndexSDC codec = index->codec;
    codec.is_trained = index->is_trained;
    write_codec(*f, codec);
    write_number(*f, index->k_factor);
    write_number<int32_t>(*f, index->first_nbits);
    write_number<idx_t>(*f, ntotal);
    std::vector<uint8_t> rows(std::min(ntotal, kRowsAtOnce) * index->code_size);
    for (idx_t i = 0; i < ntotal; i += kRowsAtOnce) {
        const idx_t n = std::min(kRowsAtOnce, ntotal - i);
        index->codes.read(i, n, rows.data());
        write_array(*f, rows.data(), n * index->code_size);
    }
    write_link(*f, codec);
}

IndexSDCFastScan* read_IndexSDCFastScan(IOReader* f) {
    std::unique_ptr<IndexSDC> codec = read_codec(*f);
    auto index = std::make_unique<IndexSDCFastScan>(*codec);
    if (has_version_6(*f)) {
        index->k_factor = read_number<float>(*f);
        index->first_nbits = read_number<int32_t>(*f);
    }
    const idx_t ntotal = read_ntotal(*f, index->code_size);
    FAISS_THROW_IF_NOT_MSG(
            index->is_trained || ntotal == 0,
            "the index file is corrupted: codes, and no training");
    if (get_payload(*f).is_complete) {
        index->codes.reserve(ntotal);
    }
    std::vector<uint8_t> rows(std::min(ntotal, kRowsAtOnce) * index->code_size);
    for (idx_t i = 0; i < ntotal; i += kRowsAtOnce) {
        const idx_t n = std::min(kRowsAtOnce, ntotal - i);
        read_bytes(*f, rows.data(), n * index->code_size);
        index->add_sa_codes(n, rows.data(), nullptr);
    }
    read_link(*f, index->codec);
    FAISS_THROW_IF_NOT_MSG(
            !index->codec.binarizer || ntotal == 0,
            "the index file is corrupted: a trained index is linked");
    return index.release();
}

void write_IndexIVFSDC(const IndexIVFSDC* index, IOWriter* f, bool as_arrays) {
    check_nlist(index->nlist, index->quantizer->ntotal);
    write_quantizer(*f, index->sdc);
    write_number<uint64_t>(*f, index->nlist);
    write_number<uint64_t>(*f, index->nprobe);
    write_number<uint64_t>(*f, index->max_codes);
    write_number<int32_t>(*f, index->parallel_mode);
    write_number<uint8_t>(*f, index->quantizer_trains_alone);
    write_bool(*f, index->by_residual);
    write_bool(*f, index->learn_range);
    write_bool(*f, index->is_trained);
    write_clustering(*f, index->cp);
    write_number<idx_t>(*f, index->ntotal);
    write_link(*f, *index);
    write_lists(*f, index->invlists, index->direct_map, as_arrays);
}

IndexIVFSDC* read_IndexIVFSDC(
        IOReader* f,
        faiss::Index* quantizer,
        int io_flags) {
    const SDCQuantizer sdc = read_quantizer(*f);
    const auto nlist = read_number<uint64_t>(*f);
    check_nlist(nlist, quantizer->ntotal);
    auto index = std::make_unique<IndexIVFSDC>(
            quantizer,
            sdc.layout.plane_widths,
            nlist,
            sdc.metric_type,
            false,
            sdc.dim());
    index->sdc = sdc;
    index->code_size = sdc.code_size();
    index->nprobe = read_number<uint64_t>(*f);
    index->max_codes = read_number<uint64_t>(*f);
    index->parallel_mode = read_number<int32_t>(*f);
    index->quantizer_trains_alone =
            read_number_in<uint8_t>(*f, "quantizer_trains_alone", 0, 2);
    index->by_residual = read_bool(*f, "by_residual");
    index->learn_range = read_bool(*f, "learn_range");
    index->is_trained = read_bool(*f, "is_trained");
    check_quantizer(index->sdc, index->is_trained);
    read_clustering(*f, index->cp);
    index->ntotal = read_number<idx_t>(*f);
    read_link(*f, *index);
    std::unique_ptr<faiss::InvertedLists> lists = read_lists(
            *f,
            {nlist, index->code_size, index->ntotal},
            index->direct_map,
            io_flags);
    index->invlists = lists.release();
    index->own_invlists = true;
    return index.release();
}

void write_IndexBinarySDC(const IndexBinarySDC* index, IOWriter* f) {
    write_number<int32_t>(*f, index->d);
    write_number<int32_t>(*f, index->nbits);
    write_number<int32_t>(*f, index->metric_type);
    write_number<idx_t>(*f, index->ntotal);
    write_array(*f, index->codes.data(), index->codes.size());
}

IndexBinarySDC* read_IndexBinarySDC(IOReader* f) {
    const int d = read_number<int32_t>(*f);
    const int nbits = read_number<int32_t>(*f);
    auto index = std::make_unique<IndexBinarySDC>(d, nbits, read_metric(*f));
    index->ntotal = read_ntotal(*f, index->code_size);
    index->codes = get_payload(*f).take(index->ntotal * index->code_size);
    return index.release();
}

void write_IndexBinaryIVFSDC(
        const IndexBinaryIVFSDC* index,
        IOWriter* f,
        bool as_arrays) {
    check_nlist(index->nlist, index->quantizer->ntotal);
    write_number<int32_t>(*f, index->d);
    write_number<int32_t>(*f, index->nbits);
    write_number<int32_t>(*f, index->metric_type);
    write_number<uint64_t>(*f, index->nlist);
    write_number<uint64_t>(*f, index->nprobe);
    write_number<uint64_t>(*f, index->max_codes);
    write_bool(*f, index->is_trained);
    write_clustering(*f, index->cp);
    write_number<idx_t>(*f, index->ntotal);
    write_lists(*f, index->invlists, index->direct_map, as_arrays);
}

IndexBinaryIVFSDC* read_IndexBinaryIVFSDC(
        IOReader* f,
        faiss::IndexBinary* quantizer,
        int io_flags) {
    const auto d =
            read_number_in<int32_t>(*f, "d", 8, PlaneLayout::max_dim * 8);
    const int nbits = read_number<int32_t>(*f);
    const faiss::MetricType metric = read_metric(*f);
    const auto nlist = read_number<uint64_t>(*f);
    check_nlist(nlist, quantizer->ntotal);
    auto index = std::make_unique<IndexBinaryIVFSDC>(
            quantizer, d, nlist, nbits, metric, false);
    index->nprobe = read_number<uint64_t>(*f);
    index->max_codes = read_number<uint64_t>(*f);
    index->is_trained = read_bool(*f, "is_trained");
    read_clustering(*f, index->cp);
    index->ntotal = read_number<idx_t>(*f);
    std::unique_ptr<faiss::InvertedLists> lists = read_lists(
            *f,
            {nlist, size_t(index->code_size), index->ntotal},
            index->direct_map,
            io_flags);
    index->invlists = lists.release();
    index->own_invlists = true;
    return index.release();
}

} // namespace faiss_bebr
