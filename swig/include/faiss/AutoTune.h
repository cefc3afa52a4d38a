// Declared part of FAISS, see swig/include/README.md.

#pragma once

#include <faiss/Index.h>
#include <faiss/IndexBinary.h>

#include <string>
#include <vector>

namespace faiss {

struct AutoTuneCriterion;
struct OperatingPoint;
struct OperatingPoints;

/// The values of a parameter, from the fastest to the most accurate.
struct ParameterRange {
    std::string name;
    std::vector<double> values;
};

/// Sets parameters by name, through any nesting of indexes.
struct ParameterSpace {
    std::vector<ParameterRange> parameter_ranges;
    int verbose;
    int n_experiments; ///< 0: all combinations
    size_t batchsize;  ///< queries in one search, at most
    bool thread_over_batches;
    double min_test_duration; ///< s

    ParameterSpace();

    size_t n_combinations() const;
    bool combination_ge(size_t c1, size_t c2) const;
    std::string combination_name(size_t cno) const;
    void display() const;
    ParameterRange& add_range(const std::string& name);
    virtual void initialize(const Index* index);
    void set_index_parameters(Index* index, size_t cno) const;
    void set_index_parameters(Index* index, const char* param_string) const;
    virtual void set_index_parameter(
            Index* index,
            const std::string& name,
            double val) const;
    void set_index_parameters(IndexBinary* index, size_t cno) const;
    void set_index_parameters(IndexBinary* index, const char* param_string)
            const;
    virtual void set_index_parameter(
            IndexBinary* index,
            const std::string& name,
            double val) const;
    void update_bounds(
            size_t cno,
            const OperatingPoint& op,
            double* upper_bound_perf,
            double* lower_bound_t) const;
    void explore(
            Index* index,
            size_t nq,
            const float* xq,
            const AutoTuneCriterion& crit,
            OperatingPoints* ops) const;
    virtual ~ParameterSpace() {}
};

} // namespace faiss
