#pragma once

#include "io/payload_read.h"

#include <faiss/impl/FaissAssert.h>
#include <faiss/impl/io.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

// Numbers and arrays of a payload, in the machine's byte order. All throw
// FaissException when there are fewer bytes.

namespace faiss_bebr {

inline void write_bytes(faiss::IOWriter& f, const void* bytes, size_t n) {
    FAISS_THROW_IF_NOT_FMT(
            f(bytes, 1, n) == n, "write error in %s", f.name.c_str());
}

inline void read_bytes(faiss::IOReader& f, void* bytes, size_t n) {
    FAISS_THROW_IF_NOT_FMT(
            f(bytes, 1, n) == n,
            "the index file is corrupted: %zd bytes are missing",
            n);
}

template <class T>
void write_number(faiss::IOWriter& f, T value) {
    static_assert(std::is_arithmetic<T>::value && !std::is_same<T, bool>(), "");
    write_bytes(f, &value, sizeof(value));
}

template <class T>
T read_number(faiss::IOReader& f) {
    static_assert(std::is_arithmetic<T>::value && !std::is_same<T, bool>(), "");
    T value;
    read_bytes(f, &value, sizeof(value));
    return value;
}

/// an integer that has to be in low .. high
template <class T>
T read_number_in(faiss::IOReader& f, const char* name, T low, T high) {
    const T value = read_number<T>(f);
    FAISS_THROW_IF_NOT_FMT(
            value >= low && value <= high,
            "the index file is corrupted: %s is %zd, not in %zd..%zd",
            name,
            ssize_t(value),
            ssize_t(low),
            ssize_t(high));
    return value;
}

inline void write_bool(faiss::IOWriter& f, bool value) {
    write_number<uint8_t>(f, value);
}

inline bool read_bool(faiss::IOReader& f, const char* name) {
    return read_number_in<uint8_t>(f, name, 0, 1) == 1;
}

/// n numbers, without n
template <class T>
void write_array(faiss::IOWriter& f, const T* values, size_t n) {
    write_bytes(f, values, n * sizeof(T));
}

template <class T>
void write_array(faiss::IOWriter& f, const std::vector<T>& values) {
    write_array(f, values.data(), values.size());
}

/// the payload behind a reader; only such readers check what they read
inline CheckedPayload& get_payload(faiss::IOReader& f) {
    auto* payload = dynamic_cast<CheckedPayload*>(&f);
    FAISS_THROW_IF_NOT_MSG(payload, "the reader is none of faiss_bebr");
    return *payload;
}

/// whether there may be n more things of some bytes each
inline void check_room(faiss::IOReader& f, uint64_t n, size_t bytes_per_item) {
    const uint64_t remaining = get_payload(f).remaining();
    FAISS_THROW_IF_NOT_FMT(
            n <= remaining / bytes_per_item,
            "the index file is corrupted: %zd times %zd bytes in %zd bytes",
            size_t(n),
            bytes_per_item,
            size_t(remaining));
}

/// n numbers into an empty vector of any class
template <class Vector>
void read_vector(faiss::IOReader& f, uint64_t n, Vector& values) {
    using T = std::remove_pointer_t<decltype(values.data())>;
    // in steps if a stream may be shorter than its header says
    const uint64_t max_step = get_payload(f).is_complete ? n : 8 << 20;
    while (values.size() < n) {
        const size_t done = values.size();
        const size_t step = std::min<uint64_t>(n - done, max_step);
        values.resize(done + step);
        read_bytes(f, values.data() + done, step * sizeof(T));
    }
}

template <class T>
std::vector<T> read_array(faiss::IOReader& f, uint64_t n) {
    check_room(f, n, sizeof(T));
    std::vector<T> values;
    read_vector(f, n, values);
    return values;
}

} // namespace faiss_bebr
