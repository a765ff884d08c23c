// Reads test data by its path under the source tree, and names it by that path in messages.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "engine/spec/spec.hpp"
#include "tests/unit/spec/descriptions.hpp"

namespace ordeal::spec {

inline Result<std::string> read_source(const std::string& path) {
  std::ifstream stream(std::string(ORDEAL_SOURCE_DIR) + "/" + path);
  if (!stream) return Error(Code::gone, path + ": no such file");
  std::ostringstream out;
  out << stream.rdbuf();
  return out.str();
}

inline Outcome parse_file(const std::string& path,
                          const std::map<std::string, std::string>& vars = {}) {
  const auto faults = descriptions();
  return parse_experiment({path, vars, read_source}, faults);
}

// Files that exist only here, by name; the experiment is "test.yaml".
inline Outcome parse_texts(const std::map<std::string, std::string>& files,
                           const std::map<std::string, std::string>& vars = {}) {
  const auto faults = descriptions();
  const auto read = [&](const std::string& path) -> Result<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return Error(Code::gone, path + ": no such file");
    return found->second;
  };
  return parse_experiment({"test.yaml", vars, read}, faults);
}

inline Outcome parse_text(const std::string& text,
                          const std::map<std::string, std::string>& vars = {}) {
  return parse_texts({{"test.yaml", text}}, vars);
}

inline std::string lines(const std::vector<Problem>& problems) {
  std::string out;
  for (const Problem& problem : problems)
    out += to_string(problem) + "\n";
  return out;
}

}  // namespace ordeal::spec
