#include "engine/spec/condition.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "engine/base/text.hpp"

namespace ordeal::spec {
namespace {

using model::Aggregate;
using model::Comparison;
using model::Unit;

constexpr std::array<std::string_view, 6> kKeywords = {"and", "or", "not", "over", "for", "within"};
constexpr int kAggregates = 20;
constexpr int kHostValues = 8;

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_name_character(char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; }

bool is_flag(Aggregate aggregate) {
  return aggregate == Aggregate::up || aggregate == Aggregate::firing ||
         aggregate == Aggregate::pending;
}

const std::vector<std::string>& aggregate_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> out;
    for (int i = 0; i < kAggregates; ++i) out.push_back(to_string(static_cast<Aggregate>(i)));
    return out;
  }();
  return kNames;
}

const std::vector<std::string>& host_value_names() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> out;
    for (int i = 0; i < kHostValues; ++i) {
      out.push_back(to_string(static_cast<model::HostValue>(i)));
    }
    return out;
  }();
  return kNames;
}

template <class Enum>
std::optional<Enum> find_word(const std::vector<std::string>& names, std::string_view word) {
  const auto found = std::find(names.begin(), names.end(), word);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

// What other tools call it.
std::string other_name(std::string_view word) {
  static const std::map<std::string_view, std::string_view> kNames = {
      {"rate", "throughput"},      {"rps", "throughput"},  {"qps", "throughput"},
      {"last", "value"},           {"current", "value"},   {"avg", "mean"},
      {"average", "mean"},         {"med", "p50"},         {"median", "p50"},
      {"latency", "p95"},          {"duration", "p95"},    {"requests", "count"},
      {"attempts", "count"},       {"failed", "failures"}, {"errors", "error"},
      {"availability", "success"}, {"p999", "p99.9"},      {"p100", "max"},
      {"gap", "outage"},           {"alive", "up"},        {"running", "up"}};
  const auto found = kNames.find(word);
  return found == kNames.end() ? "" : std::string(found->second);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::variant<ParsedCondition, ConditionProblem> run() {
    if (condition()) return std::move(out_);
    return problem_;
  }

 private:
  bool fail(std::size_t offset, std::string text) {
    problem_ = {offset, std::move(text)};
    return false;
  }

  // ---- Words
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool done() {
    skip_spaces();
    return at_ == text_.size();
  }
  char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (here() != c) return false;
    ++at_;
    return true;
  }
  std::string_view peek_name() {
    skip_spaces();
    std::size_t end = at_;
    if (!is_letter(here())) return {};
    while (end < text_.size() && is_name_character(text_[end])) ++end;
    return text_.substr(at_, end - at_);
  }
  std::string_view take_name() {
    const std::string_view word = peek_name();
    at_ += word.size();
    return word;
  }
  // Up to the next space: a quantity, or whatever somebody wrote in its place.
  std::string_view peek_token() {
    skip_spaces();
    return text_.substr(at_, std::min(text_.find_first_of(" \n", at_), text_.size()) - at_);
  }
  std::string found() {
    const std::string_view token = peek_token();
    return token.empty() ? "nothing" : fmt::format("'{}'", printable(token, 60));
  }

  // ---- Grammar
  bool condition() {
    out_.condition.text = std::string(text_);
    if (done()) return fail(0, "expected a condition such as `shop.success >= 99%`");
    if (!part()) return false;
    while (peek_name() == "and" || peek_name() == "or") {
      const std::size_t offset = at_;
      const bool all = take_name() == "and";
      const model::Join join = all ? model::Join::all_of : model::Join::any_of;
      if (out_.parts.size() > 1 && join != out_.condition.join) {
        return fail(offset, "and/or are not mixed; write two conditions");
      }
      if (out_.parts.size() == 1) out_.join = offset;
      out_.condition.join = join;
      if (!part()) return false;
    }
    return suffix() && end();
  }

  bool suffix() {
    if (peek_name() == "for") {
      out_.for_ = at_;
      if (!duration(out_.condition.for_)) return false;
    }
    if (peek_name() == "within") {
      out_.within = at_;
      if (!duration(out_.condition.within)) return false;
    }
    return true;
  }

  bool end() {
    if (done()) return true;
    const std::string_view word = peek_name();
    if (word == "for" && out_.condition.within) {
      return fail(at_, "`for` comes before `within`");
    }
    if (word == "over" && (out_.condition.for_ || out_.condition.within)) {
      return fail(at_, "`over` comes before `for` and `within`, right behind its bound");
    }
    const std::vector<std::string> words = {"and", "or", "over", "for", "within"};
    return fail(at_, fmt::format("expected and, or, over, for, within or the end, found {}{}",
                                 found(), did_you_mean(word, words)));
  }

  bool part() {
    out_.condition.parts.emplace_back();
    out_.parts.emplace_back();
    model::Part& part = out_.condition.parts.back();
    PartOffsets& offsets = out_.parts.back();
    skip_spaces();
    const std::size_t start = at_;
    if (peek_name() == "not") {
      take_name();
      part.negated = true;
    }
    if (!measure(part, offsets)) return false;
    if (part.flag) return flag_end(part, offsets);
    if (part.negated) return fail(start, "turn the comparison round instead");
    if (!comparison(part, offsets) || !bound(part, offsets)) return false;
    if (peek_name() == "over") {
      offsets.over = at_;
      if (!duration(part.over)) return false;
    }
    if (part.measure.host_value && !offsets.aggregate_given && part.over) {
      part.measure.aggregate = Aggregate::mean;
    }
    return true;
  }

  bool flag_end(const model::Part& part, const PartOffsets& offsets) {
    skip_spaces();
    const std::string name = part.measure.sli + "." + to_string(part.measure.aggregate);
    if (here() == '<' || here() == '>' || here() == '=' || here() == '!') {
      return fail(at_, fmt::format("a flag has no comparison; write `{}` or `not {}`", name, name));
    }
    if (peek_name() == "over") {
      return fail(at_,
                  fmt::format("{} takes no `over`: a flag is true or false at each sample", name));
    }
    (void)offsets;
    return true;
  }

  bool measure(model::Part& part, PartOffsets& offsets) {
    skip_spaces();
    offsets = {at_, at_, at_, at_, at_};
    const std::string_view name = peek_name();
    if (name.empty()) return fail(at_, "expected the name of an SLI, found " + found());
    if (name == "host") return host(part, offsets);
    if (is_reserved(name)) {
      const bool aggregate = find_word<Aggregate>(aggregate_names(), name).has_value();
      return fail(at_, fmt::format("expected the name of an SLI, found '{}'{}", name,
                                   aggregate ? fmt::format("; of what? write shop.{}", name) : ""));
    }
    part.measure.sli = std::string(take_name());
    if (!take('.')) {
      return fail(at_, fmt::format("expected `.` and an aggregate after '{}', such as {}.success",
                                   part.measure.sli, part.measure.sli));
    }
    offsets.aggregate = at_;
    return aggregate(part);
  }

  bool aggregate(model::Part& part) {
    const std::size_t start = at_;
    std::string_view word = text_.substr(at_, peek_length());
    if (word == "p" && text_.substr(at_ + 1).starts_with('(')) {
      const std::string digits(text_.substr(at_ + 2, text_.find(')', at_) - at_ - 2));
      return fail(start,
                  fmt::format("expected an aggregate, found 'p({})'; write p{}", digits, digits));
    }
    const auto known = find_word<Aggregate>(aggregate_names(), word);
    if (!known) return unknown_aggregate(start, word);
    at_ += word.size();
    part.measure.aggregate = *known;
    part.flag = is_flag(*known);
    return true;
  }

  // Length of an aggregate's name here: a word, and for percentiles a decimal part.
  std::size_t peek_length() const {
    std::size_t end = at_;
    while (end < text_.size() &&
           (is_letter(text_[end]) || is_digit(text_[end]) || text_[end] == '_')) {
      ++end;
    }
    const bool percentile = end > at_ + 1 && text_[at_] == 'p' && is_digit(text_[at_ + 1]);
    if (percentile && end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1])) {
      ++end;
      while (end < text_.size() && is_digit(text_[end])) ++end;
    }
    return end - at_;
  }

  bool unknown_aggregate(std::size_t start, std::string_view word) {
    if (word.empty()) {
      return fail(start,
                  fmt::format("expected an aggregate, such as success or p95, found {}", found()));
    }
    if (word.size() > 1 && word[0] == 'p' && is_digit(word[1]) && other_name(word).empty()) {
      return fail(start, fmt::format("expected an aggregate, found '{}'; the percentiles are p50, "
                                     "p90, p95, p99 and p99.9",
                                     word));
    }
    std::string near = other_name(word);
    if (near.empty()) near = nearest_word(word, aggregate_names());
    if (near.empty()) {
      return fail(start, fmt::format("expected an aggregate, found '{}'; it is one of {}", word,
                                     join_or(aggregate_names())));
    }
    return fail(start,
                fmt::format("expected an aggregate, found '{}'; did you mean '{}'?", word, near));
  }

  bool host(model::Part& part, PartOffsets& offsets) {
    part.measure.sli = std::string(take_name());
    part.measure.aggregate = Aggregate::value;
    if (here() == '[') {
      return fail(at_, "write host(...) with round brackets: [ ] is a list in YAML");
    }
    if (take('(') && !picks(part)) return false;
    if (!take('.')) return fail(at_, "expected `.` and a host value, such as host.cpu");
    offsets.aggregate = at_;
    const std::string_view word = text_.substr(at_, peek_length());
    const auto value = find_word<model::HostValue>(host_value_names(), word);
    if (!value) {
      return fail(at_, fmt::format("expected a host value, found {}{}",
                                   word.empty() ? found() : fmt::format("'{}'", word),
                                   did_you_mean(word, host_value_names(), true)));
    }
    part.measure.host_value = *value;
    at_ += word.size();
    if (!take('.')) return true;
    offsets.aggregate_given = true;
    const std::string_view how = text_.substr(at_, peek_length());
    const std::vector<std::string> words = {"mean", "min", "max"};
    if (std::find(words.begin(), words.end(), how) == words.end()) {
      return fail(at_, fmt::format("expected mean, min or max, found '{}'", how));
    }
    part.measure.aggregate = *find_word<Aggregate>(aggregate_names(), how);
    at_ += how.size();
    return true;
  }

  // Names of hosts, labels and values have more characters than names of SLIs.
  std::string take_host_word() {
    skip_spaces();
    const std::size_t start = at_;
    if (!is_letter(here()) && !is_digit(here())) return {};
    const std::string_view others = "./:";
    while (is_name_character(here()) || others.find(here()) != others.npos) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  bool picks(model::Part& part) {
    do {
      model::HostPick pick;
      pick.name = take_host_word();
      if (pick.name.empty()) return fail(at_, "expected a host's name or label=value");
      skip_spaces();
      if (take('=')) {
        pick.value = take_host_word();
        if (pick.value.empty()) return fail(at_, "expected the value of the label");
      }
      part.measure.hosts.push_back(std::move(pick));
      skip_spaces();
    } while (take(','));
    if (take(')')) return true;
    return fail(at_, "expected `)`, found " + found() + "; in a [..] list quote the condition");
  }

  bool comparison(model::Part& part, PartOffsets& offsets) {
    static const std::map<std::string_view, Comparison> kComparisons = {
        {"<", Comparison::less},    {"<=", Comparison::less_equal},
        {">", Comparison::greater}, {">=", Comparison::greater_equal},
        {"==", Comparison::equal},  {"!=", Comparison::not_equal}};
    static const std::map<std::string_view, std::string_view> kMeant = {
        {"=", "=="}, {"=<", "<="}, {"=>", ">="}, {"<>", "!="}, {"===", "=="}, {"!", "!="}};
    skip_spaces();
    offsets.comparison = at_;
    const std::size_t end = std::min(text_.find_first_not_of("<>=!", at_), text_.size());
    const std::string_view word = text_.substr(at_, end - at_);
    const auto known = kComparisons.find(word);
    if (known == kComparisons.end()) {
      const auto meant = kMeant.find(word);
      return fail(at_, fmt::format("expected <, <=, >, >=, == or !=, found {}{}", found(),
                                   meant == kMeant.end()
                                       ? ""
                                       : fmt::format("; did you mean '{}'?", meant->second)));
    }
    part.comparison = known->second;
    at_ = end;
    return true;
  }

  bool bound(model::Part& part, PartOffsets& offsets) {
    skip_spaces();
    offsets.bound = at_;
    double factor = 1;
    const char* begin = text_.data() + at_;
    const auto [stop, problem] = std::from_chars(begin, text_.data() + text_.size(), factor);
    const auto length = static_cast<std::size_t>(stop - begin);
    const std::string_view rest = text_.substr(at_ + length);
    if (problem == std::errc{} && is_digit(*begin) && rest.starts_with('x')) {
      at_ += length + 1;
      if (!at_baseline()) {
        return fail(at_, fmt::format("expected `baseline` after '{}x', found {}", factor, found()));
      }
      return baseline(part, offsets, factor);
    }
    if (at_baseline()) return baseline(part, offsets, 1);
    return quantity(part.bound.quantity);
  }

  static constexpr std::string_view kBaseline = "baseline";

  // Not peek_name(): in "baseline-5ms" the sign belongs to the offset.
  bool at_baseline() {
    skip_spaces();
    const std::string_view rest = text_.substr(at_);
    if (!rest.starts_with(kBaseline)) return false;
    const char next = rest.size() > kBaseline.size() ? rest[kBaseline.size()] : ' ';
    return !is_letter(next) && !is_digit(next) && next != '_';
  }

  bool baseline(model::Part& part, PartOffsets& offsets, double factor) {
    at_ += kBaseline.size();
    part.bound.relative = true;
    part.bound.factor = factor;
    skip_spaces();
    const char sign = here();
    if (sign == '*') return fail(at_, "write the factor in front: 1.5x baseline");
    if (sign != '+' && sign != '-') return true;
    ++at_;
    offsets.offset_given = true;
    if (!quantity(part.bound.quantity)) return false;
    if (sign == '-') part.bound.quantity.value = -part.bound.quantity.value;
    return true;
  }

  bool quantity(model::Quantity& out) {
    const std::string_view token = peek_token();
    const std::size_t start = at_;
    if (token.empty()) return fail(at_, "expected a bound such as 99%, 250ms or 1.5x baseline");
    const Result<model::Quantity> parsed = parse_quantity(token);
    if (!parsed) return fail(start, parsed.error().message());
    out = parsed.value();
    at_ += token.size();
    if (out.unit != Unit::none || done()) return true;
    // A bare number and then a unit or an x: they belong together.
    const std::string_view next = peek_token();
    if (next == "x" || next == "X")
      return fail(start, fmt::format("write {}x, without a space", token));
    const Result<model::Quantity> together = parse_quantity(std::string(token) + std::string(next));
    if (together && !is_digit(next.front())) {
      return fail(start, fmt::format("no space before the unit: write {}{}", token, next));
    }
    return true;
  }

  bool duration(std::optional<Duration>& out) {
    const std::string word(take_name());
    const std::string_view token = peek_token();
    if (token.empty()) return fail(at_, fmt::format("expected a duration after `{}`", word));
    const Result<Duration> parsed = parse_duration(token);
    if (!parsed) return fail(at_, parsed.error().message());
    if (parsed.value() == Duration::zero()) {
      return fail(at_, fmt::format("`{}` needs a duration above 0", word));
    }
    out = parsed.value();
    at_ += token.size();
    return true;
  }

  static std::string did_you_mean(std::string_view word, const std::vector<std::string>& words,
                                  bool list = false) {
    const std::string near = word.empty() ? "" : nearest_word(word, words);
    if (!near.empty()) return fmt::format("; did you mean '{}'?", near);
    return list ? "; it is one of " + join_or(words) : "";
  }

  std::string_view text_;
  std::size_t at_ = 0;
  ParsedCondition out_;
  ConditionProblem problem_;
};

}  // namespace

std::variant<ParsedCondition, ConditionProblem> read_condition(std::string_view text) {
  return Parser(text).run();
}

Result<model::Condition> parse_condition(std::string_view text) {
  auto parsed = read_condition(text);
  if (const auto* problem = std::get_if<ConditionProblem>(&parsed)) {
    return Error(Code::invalid, fmt::format("column {}: {}", problem->offset + 1, problem->text));
  }
  return std::move(std::get<ParsedCondition>(parsed).condition);
}

Result<model::Quantity> parse_quantity(std::string_view text) {
  const bool negative = text.starts_with('-');
  const std::string_view body = text.substr(negative ? 1 : 0);
  double value = 0;
  const auto [stop, problem] =
      std::from_chars(body.data(), body.data() + body.size(), value, std::chars_format::fixed);
  const Error bad(Code::invalid,
                  fmt::format("expected a bound such as 99%, 250ms, 512MiB, 10/s or 3, found '{}'",
                              printable(text, 60)));
  if (problem != std::errc{} || !is_digit(body.front())) return bad;
  const std::string_view unit = body.substr(static_cast<std::size_t>(stop - body.data()));
  const double sign = negative ? -1 : 1;
  if (unit.empty()) return model::Quantity{sign * value, Unit::none};
  if (unit == "%") return model::Quantity{sign * value, Unit::percent};
  if (unit == "/s") return model::Quantity{sign * value, Unit::per_second};
  if (unit == "/m") return model::Quantity{sign * value / 60, Unit::per_second};
  if (const auto duration = parse_duration(body)) {
    return model::Quantity{sign * static_cast<double>(duration.value().count()) / 1e6,
                           Unit::seconds};
  }
  const bool per_second = unit.ends_with("/s");
  const auto bytes = parse_bytes(body.substr(0, body.size() - (per_second ? 2 : 0)));
  if (!bytes) return bad;
  return model::Quantity{sign * static_cast<double>(bytes.value().value),
                         per_second ? Unit::bytes_per_second : Unit::bytes};
}

bool is_reserved(std::string_view word) {
  return word == "host" || word == "baseline" ||
         std::find(kKeywords.begin(), kKeywords.end(), word) != kKeywords.end() ||
         find_word<Aggregate>(aggregate_names(), word).has_value();
}

bool is_name(std::string_view word) {
  return !word.empty() && is_letter(word.front()) &&
         std::all_of(word.begin(), word.end(), is_name_character);
}

}  // namespace ordeal::spec
