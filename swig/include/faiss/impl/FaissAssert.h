// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/impl/FaissException.h>

#include <cstdio>
#include <string>

/// Throw a FaissException with a fixed text.
#define FAISS_THROW_MSG(MSG)                                   \
    do {                                                       \
        throw faiss::FaissException(                           \
                MSG, __PRETTY_FUNCTION__, __FILE__, __LINE__); \
    } while (false)

/// Throw a FaissException with a printf-formatted text.
#define FAISS_THROW_FMT(FMT, ...)                                             \
    do {                                                                      \
        int faiss_size_ = std::snprintf(nullptr, 0, FMT, __VA_ARGS__);        \
        std::string faiss_text_(faiss_size_ + 1, '\0');                       \
        std::snprintf(&faiss_text_[0], faiss_text_.size(), FMT, __VA_ARGS__); \
        faiss_text_.resize(faiss_size_);                                      \
        FAISS_THROW_MSG(faiss_text_);                                         \
    } while (false)

#define FAISS_THROW_IF_NOT_MSG(X, MSG)                       \
    do {                                                     \
        if (!(X)) {                                          \
            FAISS_THROW_FMT("Error: '%s' failed: " MSG, #X); \
        }                                                    \
    } while (false)

#define FAISS_THROW_IF_NOT_FMT(X, FMT, ...)                               \
    do {                                                                  \
        if (!(X)) {                                                       \
            FAISS_THROW_FMT("Error: '%s' failed: " FMT, #X, __VA_ARGS__); \
        }                                                                 \
    } while (false)
