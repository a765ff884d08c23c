#include <cerrno>
#include <fstream>

#include "engine/store/store.hpp"

namespace ordeal::store {

std::string database_path(const std::string& state) { return state + "/history.db"; }

std::string run_folder(const std::string& state, std::string_view run) {
  return state + "/runs/" + std::string(run);
}

Result<report::Report> replay(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error::system(errno, "open " + path);
  report::Fold fold;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    auto event = model::event_from_json(line);
    if (event.has_error()) {
      // getline reached the end without a newline: the writer died in this line.
      if (file.eof() && number > 1) break;
      return std::move(event.error()).within(fmt::format("{}:{}", path, number));
    }
    fold.apply(event.value());
  }
  if (file.bad()) return Error(Code::failed, "read " + path);
  if (fold.report().last_seq == 0) return Error(Code::invalid, path + ": no events");
  return fold.report();
}

}  // namespace ordeal::store
