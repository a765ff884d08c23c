#include "engine/model/parameters.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/json.hpp>

#include "engine/base/text.hpp"
#include "engine/base/units.hpp"

namespace ordeal::model {
namespace {

namespace json = boost::json;

// Where a description names no bound of its own: far from overflow, as parse_duration and the
// reader of experiment files have it.
constexpr std::int64_t kLongest = 3650 * 86'400'000'000;  // microseconds
constexpr std::int64_t kMost = 1ll << 60;                 // bytes
constexpr std::int64_t kMostShare = 1'000'000'000;        // parts per million
constexpr std::int64_t kLargest = 1'000'000'000'000;
constexpr std::size_t kLongestText = 4096;
constexpr std::size_t kLongestList = 1024;

std::string value_text(ParameterKind kind, std::int64_t value) {
  if (kind == ParameterKind::duration) return format_duration(Duration(value));
  if (kind == ParameterKind::percent) return format_percent(Ppm{value});
  const bool bytes = kind == ParameterKind::bytes || kind == ParameterKind::bytes_or_percent;
  return bytes ? format_bytes(Bytes{value}) : fmt::format("{}", value);
}

// What is wrong with one value, as "expected ...": empty, nothing is.
using Wrong = std::string;

std::optional<std::int64_t> whole(const json::value* value) {
  if (value == nullptr || !value->is_number() || value->is_double()) return std::nullopt;
  json::error_code problem;
  const auto number = value->to_number<std::int64_t>(problem);
  if (problem) return std::nullopt;
  return number;
}

std::optional<std::string_view> text(const json::value* value) {
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const std::string_view out = value->get_string();
  if (out.empty() || out.size() > kLongestText || out.find('\0') != out.npos) return std::nullopt;
  return out;
}

bool is_absolute(const json::value* value) {
  const auto path = text(value);
  return path && path->starts_with('/');
}

Wrong wrong_number(const Parameter& parameter, const json::value& value, std::int64_t lowest,
                   std::int64_t highest) {
  const auto number = whole(&value);
  if (number && in_range(parameter, *number) && *number >= lowest && *number <= highest) return "";
  Parameter bounds = parameter;
  if (!bounds.minimum) bounds.minimum = lowest;
  if (!bounds.maximum) bounds.maximum = highest;
  return "expected " + range_of(bounds);
}

Wrong wrong_choice(const Parameter& parameter, const json::value& value) {
  const auto word = text(&value);
  const auto& choices = parameter.choices;
  const bool known = word && std::find(choices.begin(), choices.end(), *word) != choices.end();
  return known ? "" : "expected " + join_or(choices);
}

Wrong wrong_port_range(const Parameter&, const json::value& value) {
  const json::object* range = value.if_object();
  const auto first = range != nullptr ? whole(range->if_contains("first")) : std::nullopt;
  const auto last = range != nullptr ? whole(range->if_contains("last")) : std::nullopt;
  const bool good =
      first && last && range->size() == 2 && *first >= 1 && *first <= *last && *last <= 65535;
  return good ? "" : "expected ports from 1 to 65535";
}

Wrong wrong_address(const Parameter&, const json::value& value) {
  const auto address = text(&value);
  boost::system::error_code problem;
  if (address && address->find(':') == address->npos) {
    const auto network = boost::asio::ip::make_network_v4(std::string(*address), problem);
    if (!problem && network.address() == network.network()) return "";
  } else if (address) {
    const auto network = boost::asio::ip::make_network_v6(std::string(*address), problem);
    if (!problem && network.address() == network.network()) return "";
  }
  return "expected networks such as 10.0.0.0/24";
}

Wrong wrong_list(const Parameter& parameter, const json::value& value,
                 Wrong (*one)(const Parameter&, const json::value&)) {
  const json::array* items = value.if_array();
  if (items == nullptr || items->empty() || items->size() > kLongestList) {
    return fmt::format("expected a list of 1 to {} values", kLongestList);
  }
  for (const json::value& item : *items) {
    if (Wrong wrong = one(parameter, item); !wrong.empty()) return wrong;
  }
  return "";
}

Wrong wrong_argv(const json::value* value) {
  const json::array* words = value != nullptr ? value->if_array() : nullptr;
  const bool list = words != nullptr && !words->empty() && words->size() <= kLongestList;
  if (!list || !is_absolute(&words->front())) return "expected an absolute path of a program";
  for (const json::value& word : *words) {
    const bool empty = word.is_string() && word.get_string().empty();  // may be an argument
    if (!empty && !text(&word)) return "expected a list of texts";
  }
  return "";
}

Wrong wrong_restore(const json::value& value) {
  const json::object* restore = value.if_object();
  const auto how = restore != nullptr ? text(restore->if_contains("how")) : std::nullopt;
  const json::value* argv = restore != nullptr ? restore->if_contains("argv") : nullptr;
  if (how == "argv") {
    if (Wrong wrong = wrong_argv(argv); !wrong.empty()) return wrong;
  } else if (how != "unit" && how != "supervisor" && how != "none") {
    return "expected unit, supervisor, none or {argv: [...]}";
  } else if (argv == nullptr || !argv->is_array() || !argv->get_array().empty()) {
    return fmt::format("{} takes no argv", *how);
  }
  const json::value* timeout = restore->if_contains("timeout");
  const auto length = whole(timeout);
  const bool in_time = timeout == nullptr || (length && *length > 0 && *length <= kLongest);
  return in_time ? "" : "expected a timeout above 0";
}

Wrong wrong_bytes_or_percent(const Parameter& parameter, const json::value& value) {
  const json::object* amount = value.if_object();
  if (amount != nullptr && amount->size() == 1 && amount->contains("bytes")) {
    return wrong_number(parameter, amount->at("bytes"), 0, kMost);
  }
  const auto share = amount != nullptr ? whole(amount->if_contains("ppm")) : std::nullopt;
  const bool good = share && amount->size() == 1 && *share > 0 && *share <= 1'000'000;
  return good ? "" : "expected bytes, or more than 0% and at most 100%";
}

Wrong wrong_signal(const json::value& value) {
  const auto name = text(&value);
  const bool good =
      name && name->find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == name->npos;
  return good ? "" : "expected a signal's name such as KILL or TERM";
}

Wrong wrong_with(const Parameter& parameter, const json::value& value) {
  switch (parameter.kind) {
    case ParameterKind::duration: return wrong_number(parameter, value, 0, kLongest);
    case ParameterKind::percent: return wrong_number(parameter, value, 0, kMostShare);
    case ParameterKind::bytes: return wrong_number(parameter, value, 0, kMost);
    case ParameterKind::bytes_or_percent: return wrong_bytes_or_percent(parameter, value);
    case ParameterKind::integer: return wrong_number(parameter, value, -kLargest, kLargest);
    case ParameterKind::boolean: return value.is_bool() ? "" : "expected true or false";
    case ParameterKind::text: return text(&value) ? "" : "expected a text";
    case ParameterKind::choice: return wrong_choice(parameter, value);
    case ParameterKind::choices: return wrong_list(parameter, value, wrong_choice);
    case ParameterKind::ports: return wrong_list(parameter, value, wrong_port_range);
    case ParameterKind::addresses: return wrong_list(parameter, value, wrong_address);
    case ParameterKind::path: return is_absolute(&value) ? "" : "expected an absolute path";
    case ParameterKind::signal: return wrong_signal(value);
    case ParameterKind::restore: return wrong_restore(value);
    case ParameterKind::argv: return wrong_argv(&value);
  }
  return "expected a kind that this version knows";
}

}  // namespace

bool in_range(const Parameter& parameter, std::int64_t value) {
  return (!parameter.minimum || value >= *parameter.minimum) &&
         (!parameter.maximum || value <= *parameter.maximum);
}

std::string range_of(const Parameter& parameter) {
  const auto bound = [&](std::int64_t value) { return value_text(parameter.kind, value); };
  if (parameter.minimum && parameter.maximum) {
    return bound(*parameter.minimum) + " to " + bound(*parameter.maximum);
  }
  if (parameter.maximum) return "at most " + bound(*parameter.maximum);
  return "at least " + bound(parameter.minimum.value_or(0));
}

Result<void> check_parameters(const FaultDescription& fault, const json::object& with) {
  const auto& known = fault.parameters;
  for (const auto& [name, value] : with) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&](const Parameter& p) { return p.name == name; });
    if (found == known.end()) {
      return Error(Code::invalid, fmt::format("with: {} has no parameter `{}`", fault.name,
                                              printable(std::string_view(name), 60)));
    }
    const Wrong wrong = wrong_with(*found, value);
    if (!wrong.empty()) {
      return Error(Code::invalid, fmt::format("with.{}: {}, found {}", found->name, wrong,
                                              printable(json::serialize(value), 80)));
    }
  }
  for (const Parameter& parameter : known) {
    if (!parameter.required || with.contains(parameter.name)) continue;
    return Error(Code::invalid, fmt::format("with: {} needs `{}`: {}", fault.name, parameter.name,
                                            parameter.summary));
  }
  for (const auto& group : fault.exactly_one_of) {
    const auto given = std::count_if(group.begin(), group.end(),
                                     [&](const std::string& name) { return with.contains(name); });
    if (given == 1) continue;
    return Error(Code::invalid,
                 fmt::format("with: {} needs exactly one of {}", fault.name, join_or(group)));
  }
  return ok();
}

}  // namespace ordeal::model
