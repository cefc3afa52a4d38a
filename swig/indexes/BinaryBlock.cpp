#include "indexes/BinaryBlock.h"

#include <algorithm>
#include <climits>
#include <cstring>

namespace faiss_bebr {

using faiss::METRIC_INNER_PRODUCT;
using faiss::METRIC_L2;

size_t BinaryDistance::block_size() const {
    return get_block_size(uses_words() ? 8 * nwords() : layout.dim());
}

int32_t BinaryDistance::radius_to_key(int radius) const {
    // -INT_MIN does not fit, and no product is below INT_MIN + 1
    return metric_type == METRIC_INNER_PRODUCT ? -std::max(radius, INT_MIN + 1)
                                               : radius;
}

float BinaryDistance::key_to_float(int32_t key) const {
    return static_cast<float>(metric_type == METRIC_INNER_PRODUCT ? -key : key);
}

void BinaryDistance::keys_to_distances(size_t n, int32_t* keys) const {
    if (metric_type == METRIC_INNER_PRODUCT) {
        for (size_t i = 0; i < n; i++) {
            keys[i] = keys[i] == INT_MAX ? INT_MIN : -keys[i];
        }
    }
}

namespace {

void append_words(
        const BinaryDistance& distance,
        const uint8_t* x,
        BinaryQueries& queries) {
    const size_t begin = queries.words.size();
    queries.words.resize(begin + distance.nwords());
    std::memcpy(queries.words.data() + begin, x, distance.layout.code_size());
}

/// @param row  buffer of size dim
void append_levels(
        const BinaryDistance& distance,
        const uint8_t* x,
        uint8_t* row,
        BinaryQueries& queries) {
    const int m = distance.layout.dim();
    const int half = 1 << (distance.layout.nplanes() - 1);
    const int max_level = 2 * half - 1;
    distance.layout.unpack(x, row);
    const size_t begin = queries.levels.size();
    queries.levels.resize(begin + m);
    int32_t sum = 0;
    int32_t squares = 0;
    for (int i = 0; i < m; i++) {
        const int level = row[i] - half;
        queries.levels[begin + i] = static_cast<int8_t>(level);
        sum += level;
        squares += row[i] * row[i];
    }
    // V_q = 2 level + 1; LevelBlock has the other terms
    queries.bias.push_back(
            distance.metric_type == METRIC_L2 ? squares
                                              : max_level * (2 * sum + m));
}

} // namespace

BinaryQueries::BinaryQueries(
        const BinaryDistance& distance,
        size_t n,
        const uint8_t* x) {
    const size_t code_size = distance.layout.code_size();
    if (distance.uses_words()) {
        words.reserve(n * distance.nwords());
        for (size_t i = 0; i < n; i++) {
            append_words(distance, x + i * code_size, *this);
        }
    } else {
        levels.reserve(n * distance.layout.dim());
        std::vector<uint8_t> row(distance.layout.dim());
        for (size_t i = 0; i < n; i++) {
            append_levels(distance, x + i * code_size, row.data(), *this);
        }
    }
}

void BinaryQueries::append(
        const BinaryDistance& distance,
        const BinaryQueries& others,
        size_t i) {
    if (distance.uses_words()) {
        const auto row = others.words.begin() + i * distance.nwords();
        words.insert(words.end(), row, row + distance.nwords());
    } else {
        const size_t m = distance.layout.dim();
        const auto row = others.levels.begin() + i * m;
        levels.insert(levels.end(), row, row + m);
        bias.push_back(others.bias[i]);
    }
}

void BinaryQueries::clear() {
    words.clear();
    levels.clear();
    bias.clear();
}

namespace {

/** Codes of one bit, as words: the dots are Hamming distances h, and the key
 * is h, or 2h - m as minus the inner product.
 */
struct WordBlock : BinaryBlock {
    const size_t nwords;
    std::vector<uint64_t> words;

    WordBlock(
            const BinaryDistance& distance,
            const BinaryQueries* queries,
            const uint8_t* codes)
            : BinaryBlock(distance, queries, codes),
              nwords(distance.nwords()),
              words(distance.block_size() * nwords) {}

    void load(const idx_t* ids, size_t n) override {
        const size_t code_size = distance.layout.code_size();
        ngroups = (n + kGroup - 1) / kGroup;
        for (size_t j = 0; j < n; j += kGroup) {
            const uint8_t* rows[kGroup];
            const size_t nrows = std::min(kGroup, n - j);
            for (size_t k = 0; k < nrows; k++) {
                rows[k] = codes + ids[j + k] * code_size;
            }
            load_group(rows, nrows, words.data() + j * nwords);
        }
    }

    void load_group(const uint8_t* const* rows, size_t nrows, uint64_t* group)
            const {
        const size_t code_size = distance.layout.code_size();
        for (size_t w = 0; w < code_size / 8; w++) {
            for (size_t k = 0; k < nrows; k++) {
                std::memcpy(group + w * kGroup + k, rows[k] + 8 * w, 8);
            }
        }
        const size_t rest = code_size % 8;
        for (size_t k = 0; rest > 0 && k < nrows; k++) {
            // the bytes past the code stay 0
            uint64_t* out = group + (nwords - 1) * kGroup + k;
            std::memcpy(out, rows[k] + code_size - rest, rest);
        }
    }

    void compute(size_t q0, size_t nq, const int32_t* /* thresholds */)
            override {
        kernels.hamming(
                nwords,
                queries->words.data() + q0 * nwords,
                nq,
                words.data(),
                ngroups,
                make_dots(q0, nq));
    }

    size_t collect(size_t q, int32_t threshold, uint32_t* hits, int32_t* keys)
            override {
        const bool is_ip = distance.metric_type == METRIC_INNER_PRODUCT;
        const IntKey key = {
                nullptr, is_ip ? 2 : 1, is_ip ? -distance.layout.dim() : 0};
        return kernels.collect_int(
                key, get_dots(q), ngroups * kGroup, threshold, hits, keys);
    }
};

/** Codes of any depth, as levels. With signed query levels a = c_q - half and
 * M = 2^nbits - 1 the keys are, up to terms of the query alone,
 *
 *     sum (c_q - c_d)^2  = ... + sum (c_d^2 - 2 half c_d) - 2 <a, c_d>
 *     -<V_q, V_d>        = ... - 2 sum c_d - 4 <a, c_d>
 */
struct LevelBlock : BinaryBlock {
    const int m;
    std::vector<uint8_t> levels;
    std::vector<int32_t> bias;

    LevelBlock(
            const BinaryDistance& distance,
            const BinaryQueries* queries,
            const uint8_t* codes)
            : BinaryBlock(distance, queries, codes),
              m(distance.layout.dim()),
              levels(distance.block_size() * m),
              bias(distance.block_size()) {}

    void load(const idx_t* ids, size_t n) override {
        const PlanesView view = distance.layout.view();
        const size_t code_size = distance.layout.code_size();
        ngroups = (n + kGroup - 1) / kGroup;
        for (size_t g = 0; g < ngroups; g++) {
            const uint8_t* rows[kGroup];
            const size_t nrows = std::min(kGroup, n - g * kGroup);
            for (size_t k = 0; k < nrows; k++) {
                rows[k] = codes + ids[g * kGroup + k] * code_size;
            }
            uint8_t* group = levels.data() + g * kGroup * m;
            kernels.unpack_group(view, rows, nrows, group);
            set_bias(group, bias.data() + g * kGroup);
        }
    }

    void set_bias(const uint8_t* group, int32_t* out) const {
        int32_t sums[kGroup];
        int32_t squares[kGroup];
        kernels.level_sums(m, group, 1, sums, squares);
        const bool is_l2 = distance.metric_type == METRIC_L2;
        const int32_t linear = is_l2 ? -(1 << distance.layout.nplanes()) : -2;
        for (size_t k = 0; k < kGroup; k++) {
            out[k] = (is_l2 ? squares[k] : 0) + linear * sums[k];
        }
    }

    void compute(size_t q0, size_t nq, const int32_t* /* thresholds */)
            override {
        kernels.dots(
                m,
                queries->levels.data() + q0 * m,
                nq,
                levels.data(),
                ngroups,
                make_dots(q0, nq));
    }

    size_t collect(size_t q, int32_t threshold, uint32_t* hits, int32_t* keys)
            override {
        const int32_t scale = distance.metric_type == METRIC_L2 ? -2 : -4;
        const IntKey key = {bias.data(), scale, queries->bias[q]};
        return kernels.collect_int(
                key, get_dots(q), ngroups * kGroup, threshold, hits, keys);
    }
};

} // namespace

std::unique_ptr<BinaryBlock> make_binary_block(
        const BinaryDistance& distance,
        const BinaryQueries* queries,
        const uint8_t* codes) {
    if (distance.uses_words()) {
        return std::make_unique<WordBlock>(distance, queries, codes);
    }
    return std::make_unique<LevelBlock>(distance, queries, codes);
}

} // namespace faiss_bebr
