#pragma once

// Seeded random data, buffers that show an access past their end, and the
// plainest reading of the code layout.

#include <faiss/MetricType.h>
#include <faiss/impl/IDSelector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace test {

using faiss::idx_t;

struct Random {
    std::mt19937 engine;

    explicit Random(uint32_t seed) : engine(seed) {}

    /// an integer in low..high
    int integer(int low, int high) {
        const int64_t span = int64_t(high) - low + 1;
        return static_cast<int>(low + engine() % span);
    }
    std::vector<uint8_t> bytes(size_t n);
    /// standard normal
    std::vector<float> normal(size_t n);
};

/** Memory of exactly n elements with an inaccessible page behind the last one,
 * as a sanitizer does not see what some SIMD intrinsics access. Under
 * AddressSanitizer it is a heap block, guarded on both sides.
 */
struct GuardedMemory {
    uint8_t* data;

    explicit GuardedMemory(size_t nbytes);
    ~GuardedMemory();
    GuardedMemory(const GuardedMemory&) = delete;
    GuardedMemory& operator=(const GuardedMemory&) = delete;

   private:
    void* pages = nullptr;
    size_t total = 0;
};

template <class T>
struct Exact {
    size_t n;

    /// n elements of bytes 0xa5
    explicit Exact(size_t n_in) : n(n_in), memory(n_in * sizeof(T)) {
        std::memset(memory.data, 0xa5, n * sizeof(T));
    }
    explicit Exact(const std::vector<T>& values) : Exact(values.size()) {
        std::copy(values.begin(), values.end(), data());
    }
    T* data() {
        return reinterpret_cast<T*>(memory.data);
    }
    T& operator[](size_t i) {
        return data()[i];
    }

   private:
    GuardedMemory memory;
};

/// widths of planes, equal and narrowing, in dims off every SIMD width
std::vector<std::vector<int>> get_plane_widths();

/// bytes of a code's planes
size_t get_planes_size(const std::vector<int>& widths);

/// levels c_i of a code by the definition in PlaneLayout.h
std::vector<int> read_levels(
        const std::vector<int>& widths,
        const uint8_t* code);

/// values V_i of the same
std::vector<int> read_values(
        const std::vector<int>& widths,
        const uint8_t* code);

/// the non-negative float16 by the definition of IEEE 754, not NaN
double read_float16(uint16_t half);

/// every `step`-th id below `end`
struct StepSelector : faiss::IDSelector {
    idx_t step;
    idx_t end;

    StepSelector(idx_t step_in, idx_t end_in) : step(step_in), end(end_in) {}
    bool is_member(idx_t id) const override {
        return id < end && id % step == 0;
    }
};

/// Runs the rest of a scope with a number of OpenMP threads.
struct Threads {
    explicit Threads(int n);
    ~Threads();

   private:
    int before;
};

} // namespace test
