#pragma once

// The frame of the C++ tests. A TEST registers itself; a check that fails
// throws, with the values, the place and the notes that are in scope.

#include <faiss/impl/FaissException.h>

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace test {

struct Case {
    std::string file; ///< without folder and extension
    std::string name;
    std::function<void()> run;
};

/// all cases, in the order of registration
std::vector<Case>& get_cases();

struct Registration {
    Registration(const char* path, const char* name, void (*run)());
};

struct Failure : std::runtime_error {
    /// adds the place and the notes
    Failure(const char* path, int line, const std::string& text);
};

/// A text about the values of a loop, part of failures while it is in scope.
struct Note {
    template <class... Parts>
    explicit Note(const Parts&... parts) {
        std::ostringstream text;
        text.precision(9);
        ((text << parts << ' '), ...);
        push(text.str());
    }
    ~Note();
    Note(const Note&) = delete;
    Note& operator=(const Note&) = delete;

   private:
    static void push(const std::string& text);
};

template <class A, class B>
void check_equal(
        const A& a,
        const B& b,
        const char* text,
        const char* path,
        int line) {
    if (!(a == b)) {
        std::ostringstream values;
        values.precision(9);
        // + prints 8-bit integers as numbers
        values << text << ": " << +a << " and " << +b;
        throw Failure(path, line, values.str());
    }
}

} // namespace test

#define TEST(NAME)                                       \
    static void NAME();                                  \
    static const test::Registration registration_##NAME( \
            __FILE__, #NAME, NAME);                      \
    static void NAME()

#define CHECK(X)                                         \
    do {                                                 \
        if (!(X)) {                                      \
            throw test::Failure(__FILE__, __LINE__, #X); \
        }                                                \
    } while (false)

#define CHECK_EQUAL(A, B) \
    test::check_equal(A, B, #A " == " #B, __FILE__, __LINE__)

/// the statement throws a FaissException that says something
#define CHECK_THROWS(...)                                                \
    do {                                                                 \
        bool has_thrown = false;                                         \
        try {                                                            \
            __VA_ARGS__;                                                 \
        } catch (const faiss::FaissException& e) {                       \
            has_thrown = !e.msg.empty();                                 \
        }                                                                \
        if (!has_thrown) {                                               \
            throw test::Failure(                                         \
                    __FILE__, __LINE__, #__VA_ARGS__ " does not throw"); \
        }                                                                \
    } while (false)
