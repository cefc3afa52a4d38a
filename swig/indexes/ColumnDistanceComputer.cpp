#include "indexes/ColumnDistanceComputer.h"

namespace faiss_bebr {

ColumnDistanceComputer::ColumnDistanceComputer(
        const SDCQuantizer& sdc_in,
        const ColumnCodes& columns_in)
        : SDCDistanceComputer(sdc_in, nullptr),
          columns(columns_in),
          rows(4 * columns_in.code_size) {
    codes = rows.data();
}

const uint8_t* ColumnDistanceComputer::read(idx_t i, size_t row) {
    uint8_t* code = rows.data() + row * code_size;
    columns.read(i, code);
    return code;
}

float ColumnDistanceComputer::operator()(idx_t i) {
    return distance_to_code(read(i, 0));
}

void ColumnDistanceComputer::distances_batch_4(
        const idx_t idx0,
        const idx_t idx1,
        const idx_t idx2,
        const idx_t idx3,
        float& dis0,
        float& dis1,
        float& dis2,
        float& dis3) {
    distance_to_code_batch_4(
            read(idx0, 0),
            read(idx1, 1),
            read(idx2, 2),
            read(idx3, 3),
            dis0,
            dis1,
            dis2,
            dis3);
}

float ColumnDistanceComputer::symmetric_dis(idx_t i, idx_t j) {
    read(i, 0);
    read(j, 1);
    return SDCDistanceComputer::symmetric_dis(0, 1);
}

} // namespace faiss_bebr
