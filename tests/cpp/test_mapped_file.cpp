// Views of mapped files, and an index over one.

#include "index_checks.h"
#include "indexes/IndexSDC.h"
#include "io/MappedFile.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

using faiss_bebr::IndexSDC;
using faiss_bebr::MappedFile;
using faiss_bebr::view_of;

/// a file that is deleted at the end of the scope
struct TemporaryFile {
    std::string path;

    explicit TemporaryFile(const std::vector<uint8_t>& bytes)
            : path(std::filesystem::temp_directory_path() /
                   "faiss_bebr_XXXXXX") {
        const int fd = mkstemp(path.data());
        CHECK(fd >= 0);
        CHECK_EQUAL(
                write(fd, bytes.data(), bytes.size()), ssize_t(bytes.size()));
        close(fd);
    }
    ~TemporaryFile() {
        std::remove(path.c_str());
    }
};

/// whether the address is mapped memory of this process
static bool is_mapped(const void* address) {
    const size_t page = sysconf(_SC_PAGESIZE);
    const uintptr_t start = reinterpret_cast<uintptr_t>(address) / page * page;
    return msync(reinterpret_cast<void*>(start), page, MS_ASYNC) == 0;
}

TEST(views_keep_the_file_mapped) {
    const std::vector<uint8_t> bytes = test::Random(1).bytes(10000);
    faiss::MaybeOwnedVector<uint8_t> view;
    const uint8_t* address = nullptr;
    {
        const TemporaryFile temporary(bytes);
        const auto file = std::make_shared<MappedFile>(temporary.path);
        CHECK_EQUAL(file->size, bytes.size());
        file->expect_random_access();
        view = view_of(file, 123, 9000);
        address = view.data();
    }
    // neither the file nor the object that opened it are there any more
    CHECK_EQUAL(view.size(), size_t(9000));
    CHECK(std::equal(view.data(), view.data() + 9000, bytes.data() + 123));
    const faiss::MaybeOwnedVector<uint8_t> copy = view;
    view = faiss::MaybeOwnedVector<uint8_t>();
    CHECK(std::equal(copy.data(), copy.data() + 9000, bytes.data() + 123));
    CHECK(is_mapped(address));
}

TEST(the_last_view_unmaps) {
    const uint8_t* address = nullptr;
    {
        const TemporaryFile temporary(std::vector<uint8_t>(1 << 20, 7));
        const auto file = std::make_shared<MappedFile>(temporary.path);
        const faiss::MaybeOwnedVector<uint8_t> view = view_of(file, 0, 100);
        address = view.data();
        CHECK(is_mapped(address));
    }
    CHECK(!is_mapped(address));
}

TEST(views_end_with_the_file) {
    const TemporaryFile temporary(std::vector<uint8_t>(5000));
    const auto file = std::make_shared<MappedFile>(temporary.path);
    CHECK_EQUAL(view_of(file, 5000, 0).size(), size_t(0));
    CHECK_EQUAL(view_of(file, 0, 5000).size(), size_t(5000));
    CHECK_THROWS(view_of(file, 0, 5001));
    CHECK_THROWS(view_of(file, 5001, 0));
    CHECK_THROWS(view_of(file, 4000, SIZE_MAX - 100));
    CHECK_THROWS(view_of(file, SIZE_MAX, 1));
}

TEST(empty_files_have_empty_views) {
    const TemporaryFile temporary({});
    const auto file = std::make_shared<MappedFile>(temporary.path);
    CHECK_EQUAL(file->size, size_t(0));
    file->expect_random_access();
    CHECK_EQUAL(view_of(file, 0, 0).size(), size_t(0));
    CHECK_THROWS(view_of(file, 0, 1));
}

TEST(what_is_no_regular_file_is_refused) {
    CHECK_THROWS(MappedFile("/"));
    CHECK_THROWS(MappedFile("/dev/null"));
    const TemporaryFile temporary({});
    CHECK_THROWS(MappedFile(temporary.path + ".missing"));
    const std::string fifo = temporary.path + ".fifo";
    CHECK_EQUAL(mkfifo(fifo.c_str(), 0600), 0);
    CHECK_THROWS(MappedFile{fifo}); // and does not wait for a writer
    std::remove(fifo.c_str());
}

/// codes of n vectors in an index, and the same ones as a view of a file
struct MappedIndex {
    IndexSDC in_memory = IndexSDC(std::vector<int>{72, 24});
    IndexSDC mapped = IndexSDC(std::vector<int>{72, 24});

    explicit MappedIndex(faiss_bebr::idx_t n) {
        const std::vector<float> x = test::Random(2).normal(n * 72);
        in_memory.add(n, x.data());
        const uint8_t* codes = in_memory.codes.data();
        const TemporaryFile temporary(
                std::vector<uint8_t>(codes, codes + in_memory.codes.size()));
        const auto file = std::make_shared<MappedFile>(temporary.path);
        mapped.codes = view_of(file, 0, file->size);
        mapped.ntotal = n;
    }
};

TEST(an_index_searches_mapped_codes) {
    const MappedIndex indexes(500);
    const std::vector<float> queries = test::Random(3).normal(9 * 72);
    CHECK(test::run_search<float>(indexes.mapped, queries, 9, 20) ==
          test::run_search<float>(indexes.in_memory, queries, 9, 20));
}

TEST(mapped_codes_are_not_changed) {
    MappedIndex indexes(50);
    IndexSDC& mapped = indexes.mapped;
    const std::vector<float> x = test::Random(4).normal(72);
    const test::Unchanged<IndexSDC> unchanged(mapped);
    CHECK_THROWS(mapped.add(1, x.data()));
    CHECK_THROWS(mapped.add_sa_codes(1, mapped.codes.data(), nullptr));
    CHECK_THROWS(mapped.remove_ids(test::StepSelector(2, 50)));
    CHECK_THROWS(mapped.merge_from(indexes.in_memory));
    unchanged.check();
    // the codes of a view go out into memory, and a reset index begins anew
    indexes.in_memory.merge_from(mapped);
    CHECK_EQUAL(indexes.in_memory.ntotal, 100);
    CHECK_EQUAL(mapped.ntotal, 0);
    mapped.add(1, x.data());
    CHECK_EQUAL(mapped.ntotal, 1);
}
