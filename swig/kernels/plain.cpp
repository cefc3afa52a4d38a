#include "kernels/levels.h"

#include <cmath>
#include <cstring>

namespace faiss_bebr {

namespace {

void unpack_group(
        const PlanesView& planes,
        const uint8_t* const* codes,
        size_t n,
        uint8_t* levels) {
    std::memset(levels, 0, kGroup * planes.dim);
    for (size_t k = 0; k < n; k++) {
        for (int t = 0; t < planes.nplanes; t++) {
            const uint8_t* plane = codes[k] + planes.plane_offsets[t];
            const int shift = planes.nplanes - 1 - t;
            for (int i = 0; i < planes.plane_widths[t]; i++) {
                const int bit = (plane[i / 8] >> (i % 8)) & 1;
                levels[i / 4 * 4 * kGroup + 4 * k + i % 4] |= bit << shift;
            }
        }
    }
}

void dots(
        int dim,
        const int8_t* queries,
        size_t nq,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* dots) {
    for (size_t q = 0; q < nq; q++) {
        const int8_t* query = queries + q * dim;
        for (size_t g = 0; g < ngroups; g++) {
            const uint8_t* group = levels + g * kGroup * dim;
            int32_t sums[kGroup] = {0};
            for (int i = 0; i < dim; i += 4) {
                for (size_t k = 0; k < kGroup; k++) {
                    const uint8_t* c = group + i * kGroup + 4 * k;
                    sums[k] += c[0] * query[i] + c[1] * query[i + 1] +
                            c[2] * query[i + 2] + c[3] * query[i + 3];
                }
            }
            std::memcpy(dots + (q * ngroups + g) * kGroup, sums, sizeof(sums));
        }
    }
}

void level_sums(
        int dim,
        const uint8_t* levels,
        size_t ngroups,
        int32_t* sums,
        int32_t* squares) {
    for (size_t j = 0; j < ngroups * kGroup; j++) {
        const uint8_t* column =
                levels + j / kGroup * kGroup * dim + 4 * (j % kGroup);
        sums[j] = 0;
        squares[j] = 0;
        for (int i = 0; i < dim; i += 4) {
            for (int r = 0; r < 4; r++) {
                const int32_t c = column[i * kGroup + r];
                sums[j] += c;
                squares[j] += c * c;
            }
        }
    }
}

/// level of dimension i
inline int level_of(const PlanesView& planes, const uint8_t* code, int i) {
    int level = 0;
    for (int t = 0; t < planes.nplanes && i < planes.plane_widths[t]; t++) {
        const uint8_t* plane = code + planes.plane_offsets[t];
        const int bit = (plane[i / 8] >> (i % 8)) & 1;
        level |= bit << (planes.nplanes - 1 - t);
    }
    return level;
}

void code_dots(
        const PlanesView& planes,
        const int8_t* query,
        const uint8_t* const* codes,
        size_t n,
        int32_t* dots) {
    for (size_t k = 0; k < n; k++) {
        dots[k] = 0;
        for (int i = 0; i < planes.dim; i++) {
            dots[k] += query[i] * level_of(planes, codes[k], i);
        }
    }
}

int32_t get_hamming(size_t nbytes, const uint8_t* a, const uint8_t* b) {
    int32_t sum = 0;
    size_t i = 0;
    for (; i + 8 <= nbytes; i += 8) {
        uint64_t words[2];
        std::memcpy(words, a + i, 8);
        std::memcpy(words + 1, b + i, 8);
        sum += __builtin_popcountll(words[0] ^ words[1]);
    }
    for (; i < nbytes; i++) {
        sum += __builtin_popcount(a[i] ^ b[i]);
    }
    return sum;
}

template <bool is_l2>
void row_distances(
        const PlanesView& planes,
        const uint8_t* query,
        const uint8_t* codes,
        size_t n,
        int32_t* distances) {
    const int max_level = (1 << planes.nplanes) - 1;
    const size_t code_size = planes.plane_offsets[planes.nplanes];
    for (size_t k = 0; k < n; k++) {
        const uint8_t* code = codes + k * code_size;
        if (planes.nplanes == 1) {
            const int32_t bits = get_hamming(code_size, query, code);
            distances[k] = is_l2 ? bits : planes.dim - 2 * bits;
            continue;
        }
        distances[k] = 0;
        for (int i = 0; i < planes.dim; i++) {
            const int q = level_of(planes, query, i);
            const int d = level_of(planes, code, i);
            distances[k] += is_l2 ? (q - d) * (q - d)
                                  : (2 * q - max_level) * (2 * d - max_level);
        }
    }
}

/// @param term  of dimension i, given the values of both codes
template <class Term>
float sum_of_terms(
        const PlanesView& planes,
        const uint8_t* code_a,
        const uint8_t* code_b,
        const Term& term) {
    float sums[64] = {0};
    for (int i = 0; i < planes.dim; i++) {
        const int base = planes.level_base[i];
        const int a = 2 * level_of(planes, code_a, i) - base;
        const int b = 2 * level_of(planes, code_b, i) - base;
        sums[i % 64] += term(i, static_cast<float>(a), static_cast<float>(b));
    }
    for (int half = 32; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) {
            sums[j] += sums[j + half];
        }
    }
    return sums[0];
}

float code_norm(
        const PlanesView& planes,
        const float* weight,
        const uint8_t* code) {
    return sum_of_terms(planes, code, code, [=](int i, float v, float) {
        return weight[i] * (v * v);
    });
}

float code_product(
        const PlanesView& planes,
        const float* weight,
        const float* offset,
        float scale_a,
        const uint8_t* code_a,
        const uint8_t* code_b) {
    return sum_of_terms(planes, code_a, code_b, [=](int i, float a, float b) {
        return (weight[i] * (scale_a * a) + offset[i]) * b;
    });
}

float code_l2sqr(
        const PlanesView& planes,
        const float* weight,
        float scale_a,
        const uint8_t* code_a,
        float scale_b,
        const uint8_t* code_b) {
    return sum_of_terms(planes, code_a, code_b, [=](int i, float a, float b) {
        const float x = scale_a * a - scale_b * b;
        return weight[i] * (x * x);
    });
}

void hamming(
        size_t nwords,
        const uint64_t* queries,
        size_t nq,
        const uint64_t* words,
        size_t ngroups,
        int32_t* dots) {
    for (size_t q = 0; q < nq; q++) {
        const uint64_t* query = queries + q * nwords;
        for (size_t g = 0; g < ngroups; g++) {
            const uint64_t* group = words + g * kGroup * nwords;
            int32_t sums[kGroup] = {0};
            for (size_t w = 0; w < nwords; w++) {
                for (size_t k = 0; k < kGroup; k++) {
                    sums[k] += __builtin_popcountll(
                            group[w * kGroup + k] ^ query[w]);
                }
            }
            std::memcpy(dots + (q * ngroups + g) * kGroup, sums, sizeof(sums));
        }
    }
}

template <bool is_fused>
void products(
        size_t n,
        size_t d_in,
        size_t d_out,
        const float* x,
        const float* weight,
        const float* start,
        size_t start_stride,
        float* y) {
    for (size_t i = 0; i < n; i++) {
        for (size_t o = 0; o < d_out; o++) {
            float lanes[16] = {0};
            for (size_t k = 0; k < (d_in + 15) / 16 * 16; k++) {
                const float a = k < d_in ? x[i * d_in + k] : 0.0f;
                const float b = k < d_in ? weight[o * d_in + k] : 0.0f;
                float& lane = lanes[k % 16];
                lane = is_fused ? std::fma(a, b, lane) : lane + a * b;
            }
            for (size_t half = 8; half > 0; half /= 2) {
                for (size_t j = 0; j < half; j++) {
                    lanes[j] += lanes[j + half];
                }
            }
            y[i * d_out + o] = start[i * start_stride + o] + lanes[0];
        }
    }
}

float double_product(size_t n, const float* a, const float* b) {
    double lanes[16] = {0};
    for (size_t k = 0; k < n; k++) {
        lanes[k % 16] += double(a[k]) * b[k];
    }
    for (size_t half = 8; half > 0; half /= 2) {
        for (size_t j = 0; j < half; j++) {
            lanes[j] += lanes[j + half];
        }
    }
    return static_cast<float>(lanes[0]);
}

size_t collect_float(
        const FloatKey& key,
        const int32_t* dots,
        size_t n,
        float threshold,
        uint32_t* hits,
        float* keys) {
    size_t nhits = 0;
    for (size_t j = 0; j < n; j++) {
        const float bias = key.bias + (key.doc_bias ? key.doc_bias[j] : 0.0f);
        const float dot = static_cast<float>(2 * dots[j] - key.shift);
        const float value = bias + key.doc_scale[j] * (key.scale * dot);
        if (value < threshold) {
            hits[nhits] = static_cast<uint32_t>(j);
            keys[nhits++] = value;
        }
    }
    return nhits;
}

size_t collect_int(
        const IntKey& key,
        const int32_t* dots,
        size_t n,
        int32_t threshold,
        uint32_t* hits,
        int32_t* keys) {
    size_t nhits = 0;
    for (size_t j = 0; j < n; j++) {
        // unsigned: the terms may leave int32, the sum does not
        const uint32_t doc_bias = key.doc_bias ? key.doc_bias[j] : 0;
        const int32_t value = static_cast<int32_t>(
                uint32_t(key.bias) + doc_bias +
                uint32_t(key.scale) * uint32_t(dots[j]));
        if (value < threshold) {
            hits[nhits] = static_cast<uint32_t>(j);
            keys[nhits++] = value;
        }
    }
    return nhits;
}

} // namespace

const SDCKernels plain_kernels = {
        "NONE",
        unpack_group,
        dots,
        level_sums,
        code_dots,
        row_distances<true>,
        row_distances<false>,
        code_norm,
        code_product,
        code_l2sqr,
        products<true>,
        products<false>,
        double_product,
        hamming,
        collect_float,
        collect_int};

} // namespace faiss_bebr
