// Thompson's construction and simulation: the time is the length of the text times that of the
// program, whatever the expression. Nothing is captured, so nothing else is needed.
#include "engine/base/pattern.hpp"

#include <algorithm>
#include <bitset>
#include <cctype>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal {
namespace {

constexpr std::size_t kLongestPattern = 200;
constexpr std::size_t kLongestProgram = 2000;  // counted repetitions are copies
constexpr std::size_t kMostText = 4096;

using Bytes256 = std::bitset<256>;

struct Instruction {
  enum class Op { byte, split, jump, line_begin, line_end, word_edge, no_word_edge };
  Op op = Op::byte;
  int first = 0;   // of split and jump: relative to this one
  int second = 0;  // of split
  Bytes256 bytes;  // of byte: which ones
};
// What is behind the last instruction is the match.
using Program = std::vector<Instruction>;

std::size_t index_of(char c) { return static_cast<unsigned char>(c); }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

Bytes256 all_of(bool (*belongs)(char)) {
  Bytes256 out;
  for (int byte = 0; byte < 256; ++byte) {
    if (belongs(static_cast<char>(byte))) out.set(static_cast<std::size_t>(byte));
  }
  return out;
}

// \d \w \s and their opposites.
std::optional<Bytes256> class_of(char name) {
  Bytes256 out;
  switch (std::tolower(static_cast<unsigned char>(name))) {
    case 'd': out = all_of([](char c) { return c >= '0' && c <= '9'; }); break;
    case 'w': out = all_of(is_word); break;
    case 's': out = all_of([](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }); break;
    default: return std::nullopt;
  }
  return std::isupper(static_cast<unsigned char>(name)) != 0 ? ~out : out;
}

class Compiler {
 public:
  explicit Compiler(std::string_view pattern) : pattern_(pattern) {}

  Result<Program> run() {
    if (pattern_.size() > kLongestPattern) {
      return Error(Code::invalid, fmt::format("a regular expression of {} bytes; at most {} are "
                                              "read",
                                              pattern_.size(), kLongestPattern));
    }
    Program program = alternatives();
    if (problem_.empty() && !done()) problem_ = "`)` without `(`";
    if (problem_.empty()) return program;
    return Error(Code::invalid, fmt::format("'{}' is no regular expression that is read here: {}",
                                            printable(pattern_, 80), problem_));
  }

 private:
  bool done() const { return at_ == pattern_.size() || !problem_.empty(); }
  char here() const { return pattern_[at_]; }
  bool take(std::string_view text) {
    if (!problem_.empty() || !pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  Program fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
    return {};
  }

  static int size_of(const Program& program) { return static_cast<int>(program.size()); }
  static Instruction split(int first, int second) {
    return {Instruction::Op::split, first, second, {}};
  }
  void append(Program& out, const Program& more) {
    if (out.size() + more.size() > kLongestProgram) {
      fail("it repeats too much");
    } else {
      out.insert(out.end(), more.begin(), more.end());
    }
  }

  Program alternatives() {
    Program out = sequence();
    while (take("|")) {
      Program other = sequence();
      Program both = {split(1, size_of(out) + 2)};
      append(both, out);
      both.push_back({Instruction::Op::jump, size_of(other) + 1, 0, {}});
      append(both, other);
      out = std::move(both);
    }
    return out;
  }

  Program sequence() {
    Program out;
    while (!done() && here() != '|' && here() != ')') {
      const bool repeatable = here() != '^' && here() != '$';
      Program one = repeated(atom(), repeatable);
      append(out, one);
    }
    return out;
  }

  Program atom() {
    if (take("(?:") || take("(")) return group();
    if (take("[")) return one_of();
    if (take("\\")) return escaped();
    if (take("^")) return {{Instruction::Op::line_begin, 0, 0, {}}};
    if (take("$")) return {{Instruction::Op::line_end, 0, 0, {}}};
    if (take(".")) return byte(Bytes256().set());
    if (std::string_view("*+?{").find(here()) != std::string_view::npos) {
      return fail(fmt::format("there is nothing to repeat in front of `{}`", here()));
    }
    return byte(Bytes256().set(index_of(pattern_[at_++])));
  }

  static Program byte(Bytes256 bytes) { return {{Instruction::Op::byte, 0, 0, bytes}}; }

  Program group() {
    if (take("?")) return fail("looking ahead and behind is not there");
    Program out = alternatives();
    if (!take(")")) return fail("a `(` is not closed");
    return out;
  }

  Program escaped() {
    if (done()) return fail("a `\\` at its end");
    if (take("b")) return {{Instruction::Op::word_edge, 0, 0, {}}};
    if (take("B")) return {{Instruction::Op::no_word_edge, 0, 0, {}}};
    if (const auto known = class_of(here())) {
      ++at_;
      return byte(*known);
    }
    const auto literal = escaped_byte();
    return literal ? byte(Bytes256().set(index_of(*literal))) : Program{};
  }

  // A letter or digit behind a `\` means something, or will: only these do here.
  std::optional<char> escaped_byte() {
    const char c = pattern_[at_++];
    if (c == 't') return '\t';
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) {
      fail("back references are not there");
      return std::nullopt;
    }
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      fail(fmt::format("`\\{}` is not there", c));
      return std::nullopt;
    }
    return c;
  }

  // Behind the `[`.
  Program one_of() {
    Bytes256 out;
    const bool others = take("^");
    while (!done() && here() != ']') {
      if (here() == '\\' && at_ + 1 < pattern_.size()) {
        if (const auto known = class_of(pattern_[at_ + 1])) {
          at_ += 2;
          out |= *known;
          continue;
        }
      }
      const auto first = member();
      if (!first) return {};
      const bool range = at_ + 1 < pattern_.size() && here() == '-' && pattern_[at_ + 1] != ']';
      if (range) ++at_;
      const auto last = range ? member() : first;
      if (!last) return {};
      if (index_of(*last) < index_of(*first)) return fail("a range in [ ] runs backwards");
      for (std::size_t i = index_of(*first); i <= index_of(*last); ++i) out.set(i);
    }
    if (!take("]")) return fail("a `[` is not closed");
    if (out.none()) return fail("`[]` matches nothing");
    return byte(others ? ~out : out);
  }

  std::optional<char> member() {
    if (!take("\\")) return pattern_[at_++];
    if (!done()) return escaped_byte();
    fail("a `\\` at its end");
    return std::nullopt;
  }

  // * + ? {n} {n,} {n,m}; whether they are greedy makes no difference to a yes or no.
  Program repeated(Program one, bool repeatable) {
    constexpr int kEndless = -1;
    int least = 0;
    int most = kEndless;
    if (take("*")) {
    } else if (take("+")) {
      least = 1;
    } else if (take("?")) {
      most = 1;
    } else if (take("{")) {
      if (!counts(least, most)) return fail("expected {n}, {n,} or {n,m}");
    } else {
      return one;
    }
    take("?");
    if (!repeatable) return fail("`^` and `$` are not repeated");
    Program out;
    for (int i = 0; i < least && problem_.empty(); ++i) append(out, one);
    if (most == kEndless) {
      append(out, {split(1, size_of(one) + 2)});
      append(out, one);
      append(out, {{Instruction::Op::jump, -size_of(one) - 1, 0, {}}});
    }
    for (int i = least; i < most && problem_.empty(); ++i) {
      append(out, {split(1, (most - i) * (size_of(one) + 1))});
      append(out, one);
    }
    return out;
  }

  bool counts(int& least, int& most) {
    if (!number(least)) return false;
    most = least;
    if (take(",") && !number(most)) most = -1;
    return take("}") && (most == -1 || most >= least);
  }

  bool number(int& out) {
    const std::size_t start = at_;
    out = 0;
    while (!done() && here() >= '0' && here() <= '9') {
      out = std::min(out * 10 + (pattern_[at_++] - '0'), static_cast<int>(kLongestProgram) + 1);
    }
    return at_ > start;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  std::string problem_;
};

// All states at once, from every place of the line on.
class Matcher {
 public:
  explicit Matcher(const Program& program) : program_(program), seen_(program.size() + 1) {}

  bool finds(std::string_view line) {
    now_.clear();
    for (std::size_t at = 0; at <= line.size(); ++at) {
      ++generation_;
      next_.clear();
      begins_ = at == 0;
      ends_ = at == line.size();
      edge_ = (!begins_ && is_word(line[at - 1])) != (!ends_ && is_word(line[at]));
      for (const std::size_t state : now_) {
        if (program_[state].bytes.test(index_of(line[at - 1]))) enter(state + 1);
      }
      enter(0);
      if (seen_[program_.size()] == generation_) return true;
      now_.swap(next_);
    }
    return false;
  }

 private:
  bool holds(Instruction::Op op) const {
    switch (op) {
      case Instruction::Op::line_begin: return begins_;
      case Instruction::Op::line_end: return ends_;
      case Instruction::Op::word_edge: return edge_;
      case Instruction::Op::no_word_edge: return !edge_;
      default: return false;
    }
  }

  // Adds the state, or those that follow from it without a byte.
  void enter(std::size_t state) {
    using Op = Instruction::Op;
    open_.push_back(state);
    while (!open_.empty()) {
      const std::size_t one = open_.back();
      open_.pop_back();
      if (std::exchange(seen_[one], generation_) == generation_) continue;
      if (one == program_.size()) continue;
      const Instruction& what = program_[one];
      if (what.op == Op::byte) {
        next_.push_back(one);
      } else if (what.op == Op::jump) {
        open_.push_back(moved(one, what.first));
      } else if (what.op == Op::split) {
        open_.push_back(moved(one, what.second));
        open_.push_back(moved(one, what.first));
      } else if (holds(what.op)) {
        open_.push_back(one + 1);
      }
    }
  }

  static std::size_t moved(std::size_t state, int by) {
    return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(state) + by);
  }

  const Program& program_;
  std::vector<std::size_t> now_;  // states that wait for a byte: the one behind the place
  std::vector<std::size_t> next_;
  std::vector<std::size_t> open_;    // of enter()
  std::vector<std::uint64_t> seen_;  // by state: at which place last
  std::uint64_t generation_ = 0;
  bool begins_ = false;  // about the place in the line
  bool ends_ = false;
  bool edge_ = false;
};

}  // namespace

Result<void> check_pattern(const std::string& pattern) {
  TRY(auto program, Compiler(pattern).run());
  ignore(program, "that it can be made is the answer");
  return ok();
}

Result<bool> some_line_matches(const std::string& pattern, std::string_view text) {
  TRY(auto program, Compiler(pattern).run());
  Matcher matcher(program);
  text = text.substr(0, kMostText);
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (matcher.finds(line)) return true;
  }
  return false;
}

}  // namespace ordeal
