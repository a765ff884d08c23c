// Lines of JSON that earlier versions wrote and every later one must read: one for each kind at
// least. They are appended, never changed: ORDEAL_UPDATE_GOLDEN=1 adds those that are missing, and
// leaves the others as they are (docs/internals/map.md, "Formats that stay").
#pragma once

#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <typeinfo>
#include <variant>
#include <vector>

#include <boost/core/demangle.hpp>

#include "engine/base/json.hpp"
#include "tests/unit/golden.hpp"

namespace ordeal::test {

template <class Variant>
struct Alternatives;
template <class... Ts>
struct Alternatives<std::variant<Ts...>> {
  static std::set<std::string> kinds() { return {Ts::kKind...}; }
};

inline std::vector<std::string> stored_lines(const std::string& name) {
  std::vector<std::string> out;
  std::istringstream text(read_all(golden_path(name)));
  for (std::string line; std::getline(text, line);) out.push_back(line);
  return out;
}

inline std::string kind_of(const std::string& line) {
  const auto value = json::parse(line);
  const auto* object = value.has_value() ? value.value().if_object() : nullptr;
  const auto* kind = object == nullptr ? nullptr : object->if_contains("kind");
  return kind != nullptr && kind->is_string() ? std::string(kind->get_string()) : "no kind";
}

// Line n of the file is read as expected[n]. The last line of each kind is what is written today,
// to the byte; those above it are what was written before.
template <class Variant, class T, class Encode, class Decode>
void expect_stored(const std::string& name, const std::vector<T>& expected, Encode encode,
                   Decode decode) {
  std::vector<std::string> lines = stored_lines(name);
  if (updates_golden()) {
    std::ofstream file(golden_path(name), std::ios::binary | std::ios::app);
    for (; lines.size() < expected.size(); lines.push_back(encode(expected[lines.size()]))) {
      file << encode(expected[lines.size()]) << '\n';
    }
  }
  ASSERT_EQ(lines.size(), expected.size()) << name;
  std::map<std::string, std::size_t> last;
  std::set<std::string> kinds;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    last[kind_of(lines[i])] = i;
    kinds.insert(kind_of(lines[i]));
    auto read = decode(lines[i]);
    ASSERT_TRUE(read.has_value()) << name << ": " << read.error().message() << "\n" << lines[i];
    EXPECT_EQ(encode(read.value()), encode(expected[i])) << name;
  }
  for (const auto& [kind, line] : last) EXPECT_EQ(lines[line], encode(expected[line])) << name;
  EXPECT_EQ(kinds, Alternatives<Variant>::kinds()) << name << ": a line for every kind";
}

// ---- What everything inside is called ---------------------------------------------------------

template <class T>
void add_names(std::map<std::string, std::string>& out);

template <class T>
struct Inside {
  static void add(std::map<std::string, std::string>&) {}
};
template <class T>
struct Inside<std::vector<T>> {
  static void add(std::map<std::string, std::string>& out) { add_names<T>(out); }
};
template <class T>
struct Inside<std::optional<T>> : Inside<std::vector<T>> {};
template <class T>
struct Inside<std::map<std::string, T>> : Inside<std::vector<T>> {};
template <class... Ts>
struct Inside<std::variant<Ts...>> {
  static void add(std::map<std::string, std::string>& out) { (add_names<Ts>(out), ...); }
};

// The words of each enum and the members of each struct that can be reached from T.
template <class T>
void add_names(std::map<std::string, std::string>& out) {
  std::string name = boost::core::demangle(typeid(T).name());
  if constexpr (json::DescribedEnum<T>) {
    std::string& words = out[name];
    words.clear();
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>(
        [&](auto word) { words += std::string(" ") + word.name; });
  } else if constexpr (json::Described<T>) {
    if constexpr (requires { T::kKind; }) name += std::string(" ") + T::kKind;
    std::string members;
    boost::mp11::mp_for_each<typename json::Codec<T>::Members>([&](auto member) {
      members += std::string(" ") + member.name;
      add_names<std::remove_cvref_t<decltype(std::declval<T&>().*member.pointer)>>(out);
    });
    out[name] = members;
  } else {
    Inside<T>::add(out);
  }
}

template <class... Ts>
std::string names_of() {
  std::map<std::string, std::string> names;
  (add_names<Ts>(names), ...);
  std::string out;
  for (const auto& [name, words] : names) out += name + ":" + words + "\n";
  return out;
}

}  // namespace ordeal::test
