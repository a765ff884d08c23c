#include "engine/cli/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace ordeal::cli {
namespace {

spdlog::logger& logger() {
  // Flushed with every line: the next thing may be a crash, which is when the log is read.
  static spdlog::logger the_one = [] {
    spdlog::logger out("ordeal", std::make_shared<spdlog::sinks::stderr_sink_st>());
    out.set_pattern("ordeal: %v");
    out.set_level(spdlog::level::warn);
    out.flush_on(spdlog::level::trace);
    return out;
  }();
  return the_one;
}

}  // namespace

void start_log(bool verbose) {
  if (!verbose) return;
  logger().set_level(spdlog::level::debug);
  logger().set_pattern("ordeal: %H:%M:%S.%e %v");
}

void complain(std::string_view text) {
  logger().log(spdlog::level::err, spdlog::string_view_t(text.data(), text.size()));
}

bool verbose() { return logger().should_log(spdlog::level::debug); }

void detail(std::string_view text) {
  logger().log(spdlog::level::debug, spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace ordeal::cli
