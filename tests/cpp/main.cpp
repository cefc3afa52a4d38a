// Runs the files (test_codes) or single tests (test_codes.name) that are named
// as arguments, or all of them.

#include "check.h"

#include "kernels/SDCKernels.h"

#include <algorithm>
#include <cstdio>

namespace test {

namespace {

thread_local std::vector<std::string> notes;

std::string get_stem(const char* path) {
    const std::string text = path;
    const size_t slash = text.rfind('/');
    const size_t begin = slash == std::string::npos ? 0 : slash + 1;
    return text.substr(begin, text.rfind('.') - begin);
}

} // namespace

std::vector<Case>& get_cases() {
    static std::vector<Case> cases;
    return cases;
}

Registration::Registration(const char* path, const char* name, void (*run)()) {
    get_cases().push_back({get_stem(path), name, run});
}

Failure::Failure(const char* path, int line, const std::string& text)
        : std::runtime_error([&]() {
              std::string full = get_stem(path) +
                      ".cpp:" + std::to_string(line) + ": " + text;
              for (const std::string& note : notes) {
                  full += "\n    " + note;
              }
              return full;
          }()) {}

void Note::push(const std::string& text) {
    notes.push_back(text);
}

Note::~Note() {
    notes.pop_back();
}

} // namespace test

int main(int argc, char** argv) {
    const std::vector<std::string> wanted(argv + 1, argv + argc);
    const auto is_wanted = [&wanted](const std::string& name) {
        return std::find(wanted.begin(), wanted.end(), name) != wanted.end();
    };
    int nrun = 0;
    int nfailed = 0;
    std::printf("level %s\n", faiss_bebr::get_simd_level_name());
    for (const test::Case& one : test::get_cases()) {
        const std::string full_name = one.file + "." + one.name;
        if (!wanted.empty() && !is_wanted(one.file) && !is_wanted(full_name)) {
            continue;
        }
        nrun++;
        // before it runs, as it may crash
        std::printf("%s: ", full_name.c_str());
        std::fflush(stdout);
        std::string error = "ok";
        try {
            one.run();
        } catch (const std::exception& e) {
            nfailed++;
            error = std::string("FAILED ") + e.what();
        }
        std::printf("%s\n", error.c_str());
    }
    std::printf("%d tests, %d failed\n", nrun, nfailed);
    return nrun > 0 && nfailed == 0 ? 0 : 1;
}
