#include "test_data.h"

#include <omp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <stdexcept>

namespace test {

std::vector<uint8_t> Random::bytes(size_t n) {
    std::vector<uint8_t> out(n);
    for (uint8_t& byte : out) {
        byte = static_cast<uint8_t>(engine());
    }
    return out;
}

std::vector<float> Random::normal(size_t n) {
    std::normal_distribution<float> distribution;
    std::vector<float> out(n);
    for (float& x : out) {
        x = distribution(engine);
    }
    return out;
}

#ifdef __SANITIZE_ADDRESS__

GuardedMemory::GuardedMemory(size_t nbytes) : data(new uint8_t[nbytes]) {}

GuardedMemory::~GuardedMemory() {
    delete[] data;
}

#else

GuardedMemory::GuardedMemory(size_t nbytes) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t usable = (nbytes + page - 1) / page * page;
    total = usable + page;
    pages =
            mmap(nullptr,
                 total,
                 PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS,
                 -1,
                 0);
    if (pages == MAP_FAILED) {
        throw std::bad_alloc();
    }
    uint8_t* guard = static_cast<uint8_t*>(pages) + usable;
    if (mprotect(guard, page, PROT_NONE) != 0) {
        throw std::runtime_error("mprotect failed");
    }
    data = guard - nbytes;
}

GuardedMemory::~GuardedMemory() {
    munmap(pages, total);
}

#endif

std::vector<std::vector<int>> get_plane_widths() {
    std::vector<std::vector<int>> all;
    for (int dim : {8, 24, 64, 72, 136, 264}) {
        for (int nplanes = 1; nplanes <= 8; nplanes++) {
            all.emplace_back(nplanes, dim);
        }
    }
    all.push_back({16, 8});
    all.push_back({24, 16, 8});
    all.push_back({72, 64, 40, 8, 8});
    all.push_back({136, 72, 72, 24});
    all.push_back({264, 136, 128, 72, 64, 56, 32, 8});
    all.push_back({264, 8, 8, 8, 8, 8, 8, 8});
    return all;
}

size_t get_planes_size(const std::vector<int>& widths) {
    size_t size = 0;
    for (int width : widths) {
        size += width / 8;
    }
    return size;
}

std::vector<int> read_levels(
        const std::vector<int>& widths,
        const uint8_t* code) {
    std::vector<int> levels(widths[0]);
    const int n = static_cast<int>(widths.size());
    for (int t = 0; t < n; t++) {
        for (int i = 0; i < widths[t]; i++) {
            const int bit = code[i / 8] >> (i % 8) & 1;
            levels[i] += bit * (1 << (n - 1 - t));
        }
        code += widths[t] / 8;
    }
    return levels;
}

std::vector<int> read_values(
        const std::vector<int>& widths,
        const uint8_t* code) {
    std::vector<int> values = read_levels(widths, code);
    const int n = static_cast<int>(widths.size());
    for (int i = 0; i < widths[0]; i++) {
        values[i] *= 2;
        for (int t = 0; t < n; t++) {
            values[i] -= i < widths[t] ? 1 << (n - 1 - t) : 0;
        }
    }
    return values;
}

double read_float16(uint16_t half) {
    const int exponent = half >> 10;
    const int fraction = half & 0x3ff;
    if (exponent == 31) {
        return INFINITY;
    }
    return exponent == 0 ? std::ldexp(fraction, -24)
                         : std::ldexp(1024 + fraction, exponent - 25);
}

Threads::Threads(int n) : before(omp_get_max_threads()) {
    omp_set_num_threads(n);
}

Threads::~Threads() {
    omp_set_num_threads(before);
}

} // namespace test
