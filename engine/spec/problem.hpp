// What is wrong in a file, and where: collected, so that a person mends all of it in one go.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/model/place.hpp"

namespace ordeal::spec {

struct Problem {
  model::Place place;
  std::string text;
};

// "file:line:column: text", or "file: text" when it belongs to no line.
// As editors and CI read it; `kind`, such as "warning", is empty for an error.
std::string to_string(const Problem& problem, std::string_view kind = {});

class Problems {
 public:
  // Some are found out of order, and 100 are shown.
  static constexpr std::size_t kMostKept = 200;

  void error(const model::Place& place, std::string text);
  void warning(const model::Place& place, std::string text);

  bool none() const { return errors_.empty(); }
  std::size_t count() const { return errors_.size() + more_errors_; }
  // More are only counted. Whoever makes them in a loop stops: what each one costs adds up, and
  // nobody reads them.
  bool full() const { return errors_.size() >= kMostKept; }
  // Sorted by place, each once. At most 100: a file with more is not an experiment.
  std::vector<Problem> errors() const;
  std::vector<Problem> warnings() const;

 private:
  std::vector<Problem> errors_;
  std::vector<Problem> warnings_;
  std::size_t more_errors_ = 0;
  std::size_t more_warnings_ = 0;
};

}  // namespace ordeal::spec
