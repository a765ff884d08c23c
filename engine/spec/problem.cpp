#include "engine/spec/problem.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::spec {
namespace {

constexpr std::size_t kMostProblems = 100;
constexpr std::size_t kLongestText = 600;

auto order(const Problem& problem) {
  return std::tie(problem.place.file, problem.place.line, problem.place.column, problem.text);
}

std::vector<Problem> sorted(std::vector<Problem> problems, std::size_t not_kept) {
  std::stable_sort(problems.begin(), problems.end(),
                   [](const Problem& a, const Problem& b) { return order(a) < order(b); });
  const auto same = [](const Problem& a, const Problem& b) { return order(a) == order(b); };
  problems.erase(std::unique(problems.begin(), problems.end(), same), problems.end());
  if (problems.size() > kMostProblems) {
    const std::size_t more = problems.size() - kMostProblems + not_kept;
    problems.resize(kMostProblems);
    problems.push_back({problems.back().place, fmt::format("... and {} more", more)});
  }
  return problems;
}

void keep(std::vector<Problem>& kept, std::size_t& more, const model::Place& place,
          std::string_view text) {
  if (kept.size() >= Problems::kMostKept) {
    ++more;
  } else {
    kept.push_back({place, printable(text, kLongestText)});
  }
}

}  // namespace

std::string to_string(const Problem& problem, std::string_view kind) {
  const model::Place& place = problem.place;
  const std::string text = fmt::format("{}{}{}", kind, kind.empty() ? "" : ": ", problem.text);
  if (place.line == 0) return fmt::format("{}: {}", place.file, text);
  return fmt::format("{}:{}:{}: {}", place.file, place.line, place.column, text);
}

void Problems::error(const model::Place& place, std::string text) {
  keep(errors_, more_errors_, place, text);
}

void Problems::warning(const model::Place& place, std::string text) {
  keep(warnings_, more_warnings_, place, text);
}

std::vector<Problem> Problems::errors() const { return sorted(errors_, more_errors_); }
std::vector<Problem> Problems::warnings() const { return sorted(warnings_, more_warnings_); }

}  // namespace ordeal::spec
