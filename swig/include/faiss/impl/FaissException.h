// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <exception>
#include <string>

namespace faiss {

/// What FAISS throws; its Python layer turns it into a RuntimeError. The
/// members are defined in libfaiss.
class FaissException : public std::exception {
   public:
    explicit FaissException(const std::string& msg);
    FaissException(
            const std::string& msg,
            const char* funcName,
            const char* file,
            int line);
    const char* what() const noexcept override;

    std::string msg;
};

/// Keep the first exception of an OpenMP region; to be called in a catch
/// block inside the region.
inline void omp_capture_exception(std::exception_ptr& ex) {
#pragma omp critical(faiss_omp_exception)
    if (!ex) {
        ex = std::current_exception();
    }
}

/// To be called on the main thread after the region.
inline void omp_rethrow_if_exception(std::exception_ptr& ex) {
    if (ex) {
        std::rethrow_exception(ex);
    }
}

} // namespace faiss
