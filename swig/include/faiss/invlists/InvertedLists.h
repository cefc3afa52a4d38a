// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/MetricType.h>
#include <faiss/impl/maybe_owned_vector.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace faiss {

/// Walks the entries of one list.
struct InvertedListsIterator {
    virtual ~InvertedListsIterator();
    virtual bool is_available() const = 0;
    virtual void next() = 0;
    virtual std::pair<idx_t, const uint8_t*> get_id_and_codes() = 0;

    /// whether a scan tells the iterator of its results, by the functions below
    bool has_search_callbacks_ = false;

    virtual void on_distance_computed(idx_t, float) {}
    virtual void on_heap_changed(idx_t, idx_t) {}
};

/// nlist lists of ids with their codes. Any number of threads may read; threads
/// that write must not share a list.
struct InvertedLists {
    size_t nlist;
    size_t code_size;
    /// use get_iterator, since there are no codes and ids in one piece
    bool use_iterator = false;

    InvertedLists(size_t nlist_, size_t code_size_);
    virtual ~InvertedLists();

    /// of lists whose codes are packed in blocks
    static const size_t INVALID_CODE_SIZE = static_cast<size_t>(-1);

    virtual size_t list_size(size_t list_no) const = 0;
    /// what the get functions return is to be given back by release functions
    virtual const uint8_t* get_codes(size_t list_no) const = 0;
    virtual const idx_t* get_ids(size_t list_no) const = 0;
    virtual void release_codes(size_t list_no, const uint8_t* codes) const;
    virtual void release_ids(size_t list_no, const idx_t* ids) const;
    virtual idx_t get_single_id(size_t list_no, size_t offset) const;
    virtual const uint8_t* get_single_code(size_t list_no, size_t offset) const;
    /// a list number may be -1
    virtual void prefetch_lists(const idx_t* list_nos, int nlist_in) const;

    virtual bool is_empty(size_t list_no, void* inverted_list_context = nullptr)
            const;
    /// the caller deletes the iterator
    virtual InvertedListsIterator* get_iterator(
            size_t list_no,
            void* inverted_list_context = nullptr) const;

    /// returns the offset of the entry
    virtual size_t add_entry(
            size_t list_no,
            idx_t theid,
            const uint8_t* code,
            void* inverted_list_context = nullptr);
    /// returns the offset of the first of the entries
    virtual size_t add_entries(
            size_t list_no,
            size_t n_entry,
            const idx_t* ids,
            const uint8_t* code) = 0;
    virtual void update_entry(
            size_t list_no,
            size_t offset,
            idx_t id,
            const uint8_t* code);
    virtual void update_entries(
            size_t list_no,
            size_t offset,
            size_t n_entry,
            const idx_t* ids,
            const uint8_t* code) = 0;
    virtual void resize(size_t list_no, size_t new_size) = 0;
    virtual void reset();

    /// empties the other lists
    void merge_from(InvertedLists* oivf, size_t add_id);

    enum subset_type_t : int {
        SUBSET_TYPE_ID_RANGE = 0,         ///< ids a1 .. a2 - 1
        SUBSET_TYPE_ID_MOD = 1,           ///< ids with id % a1 == a2
        SUBSET_TYPE_ELEMENT_RANGE = 2,    ///< entries a1 .. a2 - 1 of all
        SUBSET_TYPE_INVLIST_FRACTION = 3, ///< part a2 of a1 of each list
        SUBSET_TYPE_INVLIST = 4,          ///< lists a1 .. a2 - 1
    };

    /// returns the number of entries
    size_t copy_subset_to(
            InvertedLists& other,
            subset_type_t subset_type,
            idx_t a1,
            idx_t a2) const;

    /// 1 if all lists are of one size, else more
    double imbalance_factor() const;
    void print_stats() const;
    size_t compute_ntotal() const;

    /// The ids of a list, released with the object.
    struct ScopedIds {
        const InvertedLists* il;
        const idx_t* ids;
        size_t list_no;

        ScopedIds(const InvertedLists* il_, size_t list_no_)
                : il(il_), ids(il_->get_ids(list_no_)), list_no(list_no_) {}
        ~ScopedIds() {
            il->release_ids(list_no, ids);
        }

        const idx_t* get() {
            return ids;
        }
        idx_t operator[](size_t i) const {
            return ids[i];
        }
    };

    /// The codes of a list, or one of them, released with the object.
    struct ScopedCodes {
        const InvertedLists* il;
        const uint8_t* codes;
        size_t list_no;

        ScopedCodes(const InvertedLists* il_, size_t list_no_)
                : il(il_), codes(il_->get_codes(list_no_)), list_no(list_no_) {}
        ScopedCodes(const InvertedLists* il_, size_t list_no_, size_t offset)
                : il(il_),
                  codes(il_->get_single_code(list_no_, offset)),
                  list_no(list_no_) {}
        ~ScopedCodes() {
            il->release_codes(list_no, codes);
        }

        const uint8_t* get() {
            return codes;
        }
    };
};

/// The default: two vectors for each list.
struct ArrayInvertedLists : InvertedLists {
    std::vector<MaybeOwnedVector<uint8_t>> codes;
    std::vector<MaybeOwnedVector<idx_t>> ids;

    ArrayInvertedLists(size_t nlist_in, size_t code_size_in);
    ~ArrayInvertedLists() override;

    size_t list_size(size_t list_no) const override;
    const uint8_t* get_codes(size_t list_no) const override;
    const idx_t* get_ids(size_t list_no) const override;
    size_t add_entries(
            size_t list_no,
            size_t n_entry,
            const idx_t* ids,
            const uint8_t* code) override;
    void update_entries(
            size_t list_no,
            size_t offset,
            size_t n_entry,
            const idx_t* ids,
            const uint8_t* code) override;
    void resize(size_t list_no, size_t new_size) override;
    /// new list i is old list map[i]
    void permute_invlists(const idx_t* map);
    bool is_empty(size_t list_no, void* inverted_list_context = nullptr)
            const override;
};

} // namespace faiss
