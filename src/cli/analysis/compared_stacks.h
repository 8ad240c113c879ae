// Two sets of records as one set of stacks, each with what an invocation had there before and
// after: what a differential flame graph is made of. Knows no file format.
//
// The first invocation of an environment is left out, as in comparison.h. A function is compared
// with itself, each side by its own number of invocations.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/analysis/memory_profile.h"
#include "cli/input/json_document.h"

namespace lamprey::cli {

// What is drawn: CPU time in ns, or allocated bytes.
enum class Compared : std::uint8_t { kCpu, kAllocated };

// One side.
class StackWeights {
 public:
  struct Function {
    std::uint64_t invocations = 0;
    std::map<Frames, double> weights;
    double total = 0;
    double samples = 0;
    double grain = 0;  // what one sample stands for

    double an_invocation(const Frames& frames) const;
    double spread(const Frames& frames) const;
  };

  explicit StackWeights(Compared what) : what_(what) {}
  void add(const Value& record);
  Compared what() const { return what_; }
  bool is_partial() const { return partial_; }  // some invocations have no line of their own
  const std::map<std::string, Function>& functions() const { return functions_; }

 private:
  void add_cpu(const Value& record);
  void add_allocated(const Value& record);

  Compared what_;
  bool partial_ = false;
  std::map<std::string, Function> functions_;
};

struct ComparedStack {
  Frames frames;
  double before = 0;  // in an invocation
  double after = 0;
  // The variance that each has from sampling, if samples came one by one.
  double spread_before = 0;
  double spread_after = 0;
};

// Of the functions that are on both sides; with several the outermost frame is the function. Where
// each side has one, they are compared whatever they are called.
std::vector<ComparedStack> compare_stacks(const StackWeights& before, const StackWeights& after);

}  // namespace lamprey::cli
