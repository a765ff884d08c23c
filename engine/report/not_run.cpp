#include <fmt/format.h>

#include "engine/report/render.hpp"

namespace ordeal::report {

std::vector<model::Event> to_events(const NotRun& one, model::RunStarted about) {
  about.name = one.name.empty() ? file_name(one.file) : one.name;
  about.file = one.file;
  model::RunEnded ended;
  ended.verdict.run = model::RunEnd::refused;
  ended.verdict.exit = static_cast<int>(one.exit);
  ended.verdict.exit_name = model::to_string(one.exit);
  ended.verdict.reason =
      one.line > 0 ? fmt::format("{}:{}: {}", one.file, one.line, one.message) : one.message;
  model::RunRefused refused{model::Phase::read, ended.verdict.reason};
  return {{1, {}, std::move(about)}, {2, {}, std::move(refused)}, {3, {}, std::move(ended)}};
}

}  // namespace ordeal::report
