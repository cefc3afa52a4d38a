// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/IndexBinary.h>

#include <memory>
#include <utility>
#include <vector>

namespace faiss {

class WorkerThread;

/// Indexes with a thread each: the base of shards and replicas. libfaiss has it
/// for Index and IndexBinary, but exports no functions of it.
template <typename IndexT>
class ThreadedIndex : public IndexT {
   public:
    explicit ThreadedIndex(bool threaded);
    explicit ThreadedIndex(int d, bool threaded);
    ~ThreadedIndex() override;

    virtual void addIndex(IndexT* index);
    void reset() override;

    int count() const {
        return static_cast<int>(indices_.size());
    }
    IndexT* at(size_t i) {
        return indices_[i].first;
    }
    const IndexT* at(size_t i) const {
        return indices_[i].first;
    }

    bool own_indices = false;

   protected:
    virtual void onAfterAddIndex(IndexT* index);
    virtual void onAfterRemoveIndex(IndexT* index);

    std::vector<std::pair<IndexT*, std::unique_ptr<WorkerThread>>> indices_;
    bool isThreaded_;
};

} // namespace faiss
