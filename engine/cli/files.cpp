#include "engine/cli/files.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"
#include "engine/os/linux/fd.hpp"
#include "engine/spec/yaml.hpp"
#include "faults/catalogue.hpp"

namespace ordeal::cli {

Result<std::string> read_users_file(const std::string& path) {
  return os::read_file(path, spec::kMostBytes + 1);
}

Result<std::map<std::string, std::string>> read_vars(const std::string& path) {
  constexpr std::size_t kMost = 2u << 20;  // more than a body of the API, with room for escapes
  const std::string name = path == "-" ? "stdin" : printable(path);
  auto text = path == "-" ? os::read_all(STDIN_FILENO, kMost) : os::read_file(path, kMost);
  if (text.has_error()) return std::move(text.error()).within("--vars " + name);
  const auto value = json::parse(text.value(), kMost);
  const Error wrong(Code::invalid, fmt::format("--vars {}: expected a JSON object of texts, such "
                                               "as {{\"url\": \"http://127.0.0.1:8080/\"}}",
                                               name));
  if (value.has_error() || !value.value().is_object()) return wrong;
  std::map<std::string, std::string> out;
  for (const auto& [key, item] : value.value().get_object()) {
    if (!item.is_string()) return wrong;
    out[std::string(key)] = std::string(item.get_string());
  }
  return out;
}

std::string to_json(const std::map<std::string, std::string>& vars) {
  boost::json::object out;
  for (const auto& [name, value] : vars) out[name] = value;
  return json::dump(out);
}

bool print_problems(const std::vector<spec::Problem>& problems) {
  for (const spec::Problem& problem : problems) {
    fmt::print(stderr, "{}\n", spec::to_string(problem));
  }
  return problems.empty();
}

std::vector<model::FaultDescription> descriptions() {
  std::vector<model::FaultDescription> out;
  for (const fault::Fault& fault : catalogue()) out.push_back(fault.description);
  return out;
}

}  // namespace ordeal::cli
