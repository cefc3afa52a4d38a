#include "io/layout_io.h"

#include "io/fields.h"

namespace faiss_bebr {

using faiss::IOReader;
using faiss::IOWriter;

bool has_version_2(IOReader& f) {
    return get_payload(f).format_version >= 2;
}

bool has_version_3(IOReader& f) {
    return get_payload(f).format_version >= 3;
}

bool has_version_4(IOReader& f) {
    return get_payload(f).format_version >= 4;
}

bool has_version_5(IOReader& f) {
    return get_payload(f).format_version >= 5;
}

bool has_version_6(IOReader& f) {
    return get_payload(f).format_version >= 6;
}

void write_error_weight(IOWriter& f, const std::vector<float>& weight) {
    write_bool(f, !weight.empty());
    write_array(f, weight);
}

std::vector<float> read_error_weight(IOReader& f, int d) {
    const bool has_weight =
            has_version_4(f) && read_bool(f, "whether errors have weights");
    return read_array<float>(f, has_weight ? size_t(d) * d : 0);
}

void write_widths(IOWriter& f, const PlaneLayout& layout) {
    write_number<uint32_t>(f, layout.nplanes());
    write_array(f, layout.plane_widths);
}

std::vector<int> read_widths(IOReader& f) {
    const auto nplanes = read_number_in<uint32_t>(
            f, "the number of planes", 1, PlaneLayout::max_nbits);
    return read_array<int>(f, nplanes);
}

} // namespace faiss_bebr
