// Preloaded, takes the place of operator new: objects that are made while it
// is armed lie in a larger block of a given byte, and their sizes are kept. So
// sizeof is what the wheel's own compiler asked for.

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

constexpr size_t SLACK = 64;
constexpr size_t CAPACITY = 1024;

struct Allocation {
    void* address;
    size_t size;
};

bool armed = false;
int pattern = 0;
size_t count = 0;
Allocation allocations[CAPACITY];

void* allocate(size_t size) {
    void* address = std::malloc(size + SLACK);
    if (!address) {
        throw std::bad_alloc();
    }
    if (armed) {
        std::memset(address, pattern, size + SLACK);
        allocations[count++ % CAPACITY] = {address, size};
    }
    return address;
}

} // namespace

void* operator new(size_t size) {
    return allocate(size);
}

void* operator new[](size_t size) {
    return allocate(size);
}

void operator delete(void* address) noexcept {
    std::free(address);
}

void operator delete[](void* address) noexcept {
    std::free(address);
}

void operator delete(void* address, size_t) noexcept {
    std::free(address);
}

void operator delete[](void* address, size_t) noexcept {
    std::free(address);
}

extern "C" {

void arm_recorder(int pattern_in) {
    pattern = pattern_in;
    count = 0;
    armed = true;
}

void disarm_recorder() {
    armed = false;
}

/// the size asked for, 0 if the block is not one of the recorded
size_t get_allocated_size(const void* address) {
    for (size_t i = 0; i < count && i < CAPACITY; i++) {
        if (allocations[i].address == address) {
            return allocations[i].size;
        }
    }
    return 0;
}

size_t get_slack() {
    return SLACK;
}

} // extern "C"
