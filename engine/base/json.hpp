// Described structs to JSON and back, strictly.
//
// A struct that is described (BOOST_DESCRIBE_STRUCT) has a JSON object with one member for each of
// its members, in their order; an enum is its name; an optional that is empty is absent; a variant
// is {"kind": NAME, ...} where NAME is the alternative's `static constexpr kKind`. Durations and
// times are whole microseconds, Ppm and Bytes whole numbers. There are no floating numbers in
// anything that is digested.
//
// Reading is strict: a missing member without default, an unknown member, a wrong type and a number
// out of range are errors that name the path. `Unknown::ignored` is for files and facts that a
// newer version may have written.
//
// Templates are instantiated in few .cpp files only (model/codec.cpp); others call those.
#pragma once

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "engine/base/ids.hpp"
#include "engine/base/result.hpp"
#include "engine/base/units.hpp"

namespace ordeal::json {

enum class Unknown { refused, ignored };

// Depth 16 and 1 MiB at most: what any wire or file of ours may hold.
Result<boost::json::value> parse(std::string_view text, std::size_t limit = 1u << 20);
// Sorted keys, no spaces: the same value has the same bytes, and so the same digest.
std::string canonical(const boost::json::value& value);
std::string dump(const boost::json::value& value);

template <class T>
struct Codec;

template <class T>
boost::json::value encode(const T& value) {
  return Codec<T>::encode(value);
}

template <class T>
Result<T> decode(const boost::json::value& value, Unknown unknown = Unknown::refused,
                 const std::string& path = "") {
  return Codec<T>::decode(value, unknown, path);
}

inline Error mismatch(const std::string& path, std::string_view expected) {
  return Error(Code::invalid,
               fmt::format("{}: expected {}", path.empty() ? "value" : path, expected));
}

template <class T>
concept Described = std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
template <class T>
concept DescribedEnum = std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;

template <>
struct Codec<std::string> {
  static boost::json::value encode(const std::string& value) { return boost::json::string(value); }
  static Result<std::string> decode(const boost::json::value& value, Unknown,
                                    const std::string& path) {
    if (!value.is_string()) return mismatch(path, "a text");
    return std::string(value.get_string());
  }
};

template <>
struct Codec<bool> {
  static boost::json::value encode(bool value) { return value; }
  static Result<bool> decode(const boost::json::value& value, Unknown, const std::string& path) {
    if (!value.is_bool()) return mismatch(path, "true or false");
    return value.get_bool();
  }
};

template <class T>
concept Whole = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <Whole T>
struct Codec<T> {
  static boost::json::value encode(T value) { return value; }
  static Result<T> decode(const boost::json::value& value, Unknown, const std::string& path) {
    boost::json::error_code problem;
    const T number = value.to_number<T>(problem);
    if (problem || value.is_double()) return mismatch(path, "a whole number in range");
    return number;
  }
};

template <>
struct Codec<double> {
  static boost::json::value encode(double value) { return value; }
  static Result<double> decode(const boost::json::value& value, Unknown, const std::string& path) {
    if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
    if (!value.is_number()) return mismatch(path, "a number");
    return value.to_number<double>();
  }
};

template <>
struct Codec<Duration> {
  static boost::json::value encode(Duration value) { return value.count(); }
  static Result<Duration> decode(const boost::json::value& value, Unknown unknown,
                                 const std::string& path) {
    TRY(auto count, Codec<std::int64_t>::decode(value, unknown, path));
    return Duration(count);
  }
};

template <class Clock>
struct Codec<std::chrono::time_point<Clock, Duration>> {
  using Time = std::chrono::time_point<Clock, Duration>;
  static boost::json::value encode(Time value) { return value.time_since_epoch().count(); }
  static Result<Time> decode(const boost::json::value& value, Unknown unknown,
                             const std::string& path) {
    TRY(auto count, Codec<std::int64_t>::decode(value, unknown, path));
    return Time(Duration(count));
  }
};

template <class T>
concept Amount = std::is_same_v<T, Ppm> || std::is_same_v<T, Bytes>;

template <Amount T>
struct Codec<T> {
  static boost::json::value encode(T value) { return value.value; }
  static Result<T> decode(const boost::json::value& value, Unknown unknown,
                          const std::string& path) {
    TRY(auto count, Codec<std::int64_t>::decode(value, unknown, path));
    return T{count};
  }
};

template <>
struct Codec<Token> {
  static boost::json::value encode(const Token& value) { return boost::json::string(value.text()); }
  static Result<Token> decode(const boost::json::value& value, Unknown, const std::string& path) {
    if (!value.is_string()) return mismatch(path, "a token");
    return Token::parse(std::string_view(value.get_string()));
  }
};

// Free-form parameters pass through as they are.
template <>
struct Codec<boost::json::object> {
  static boost::json::value encode(const boost::json::object& value) { return value; }
  static Result<boost::json::object> decode(const boost::json::value& value, Unknown,
                                            const std::string& path) {
    if (!value.is_object()) return mismatch(path, "an object");
    return value.get_object();
  }
};

template <DescribedEnum T>
struct Codec<T> {
  static boost::json::value encode(T value) {
    return boost::json::string(boost::describe::enum_to_string(value, "?"));
  }
  static Result<T> decode(const boost::json::value& value, Unknown, const std::string& path) {
    T out{};
    if (!value.is_string() ||
        !boost::describe::enum_from_string(std::string(value.get_string()).c_str(), out)) {
      return mismatch(path, "one of the known words");
    }
    return out;
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static boost::json::value encode(const std::optional<T>& value) {
    return value ? json::encode(*value) : boost::json::value(nullptr);
  }
  static Result<std::optional<T>> decode(const boost::json::value& value, Unknown unknown,
                                         const std::string& path) {
    if (value.is_null()) return std::optional<T>();
    TRY(auto inner, json::decode<T>(value, unknown, path));
    return std::optional<T>(std::move(inner));
  }
};

template <class T>
struct Codec<std::vector<T>> {
  static boost::json::value encode(const std::vector<T>& value) {
    boost::json::array out;
    out.reserve(value.size());
    for (const T& item : value) out.push_back(json::encode(item));
    return out;
  }
  static Result<std::vector<T>> decode(const boost::json::value& value, Unknown unknown,
                                       const std::string& path) {
    if (!value.is_array()) return mismatch(path, "a list");
    std::vector<T> out;
    out.reserve(value.get_array().size());
    for (const auto& item : value.get_array()) {
      TRY(auto decoded, json::decode<T>(item, unknown, fmt::format("{}[{}]", path, out.size())));
      out.push_back(std::move(decoded));
    }
    return out;
  }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static boost::json::value encode(const std::map<std::string, T>& value) {
    boost::json::object out;
    for (const auto& [key, item] : value) out[key] = json::encode(item);
    return out;
  }
  static Result<std::map<std::string, T>> decode(const boost::json::value& value, Unknown unknown,
                                                 const std::string& path) {
    if (!value.is_object()) return mismatch(path, "an object");
    std::map<std::string, T> out;
    for (const auto& member : value.get_object()) {
      const std::string key(member.key());
      TRY(auto decoded, json::decode<T>(member.value(), unknown, path + "." + key));
      out.emplace(key, std::move(decoded));
    }
    return out;
  }
};

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

template <class T>
concept Defaulted = is_optional<T>::value;

template <Described T>
struct Codec<T> {
  using Members = boost::describe::describe_members<T, boost::describe::mod_any_access |
                                                           boost::describe::mod_inherited>;

  static boost::json::object members(const T& value) {
    boost::json::object out;
    boost::mp11::mp_for_each<Members>([&](auto member) {
      const auto& item = value.*member.pointer;
      using Item = std::remove_cvref_t<decltype(item)>;
      if constexpr (Defaulted<Item>) {
        if (!item) return;
      }
      out[member.name] = json::encode(item);
    });
    return out;
  }
  static boost::json::value encode(const T& value) { return members(value); }

  static Result<T> decode(const boost::json::value& value, Unknown unknown,
                          const std::string& path) {
    if (!value.is_object()) return mismatch(path, "an object");
    const boost::json::object& object = value.get_object();
    T out{};
    std::optional<Error> problem;
    std::size_t known = 0;
    boost::mp11::mp_for_each<Members>([&](auto member) {
      if (problem) return;
      using Item = std::remove_cvref_t<decltype(out.*member.pointer)>;
      const std::string here = path.empty() ? member.name : path + "." + member.name;
      const auto* found = object.if_contains(member.name);
      if (found == nullptr) {
        if (!Defaulted<Item> && unknown == Unknown::refused) {
          problem = mismatch(here, "a value, found nothing");
        }
        return;
      }
      ++known;
      auto item = json::decode<Item>(*found, unknown, here);
      if (item.has_error()) {
        problem = std::move(item.error());
      } else {
        out.*member.pointer = std::move(item.value());
      }
    });
    if (problem) return *std::move(problem);
    // "kind" is the tag of a variant around this object, not a member of it.
    const std::size_t tag = object.contains("kind") && !has_member("kind") ? 1 : 0;
    if (unknown == Unknown::refused && known + tag != object.size()) {
      return mismatch(path, "no unknown members");
    }
    return out;
  }

  static constexpr bool has_member(std::string_view name) {
    bool found = false;
    boost::mp11::mp_for_each<Members>([&](auto member) { found = found || name == member.name; });
    return found;
  }
};

template <class... Ts>
struct Codec<std::variant<Ts...>> {
  using Variant = std::variant<Ts...>;

  static boost::json::value encode(const Variant& value) {
    return std::visit(
        [](const auto& item) -> boost::json::value {
          using Item = std::remove_cvref_t<decltype(item)>;
          boost::json::object out;
          out["kind"] = boost::json::string(Item::kKind);
          for (auto& member : Codec<Item>::members(item)) {
            out[member.key()] = std::move(member.value());
          }
          return out;
        },
        value);
  }

  static Result<Variant> decode(const boost::json::value& value, Unknown unknown,
                                const std::string& path) {
    if (!value.is_object()) return mismatch(path, "an object");
    const auto* kind = value.get_object().if_contains("kind");
    if (kind == nullptr || !kind->is_string()) return mismatch(path + ".kind", "a text");
    std::optional<Result<Variant>> out;
    boost::mp11::mp_for_each<boost::mp11::mp_list<std::type_identity<Ts>...>>([&](auto type) {
      using Item = typename decltype(type)::type;
      if (out || std::string_view(kind->get_string()) != Item::kKind) return;
      auto item = json::decode<Item>(value, unknown, path);
      if (item.has_error()) {
        out.emplace(std::move(item.error()));
      } else {
        out.emplace(Variant(std::move(item.value())));
      }
    });
    if (!out) return mismatch(path + ".kind", "a known kind");
    return *std::move(out);
  }
};

}  // namespace ordeal::json
