// Criteria for processes, of targets and of process SLIs.
#include <fmt/format.h>

#include "engine/spec/context.hpp"

namespace ordeal::spec {
namespace {

void read_count(Context& context, const Node& node, const std::string& what,
                model::ProcessMatcher& out) {
  constexpr std::int64_t kMost = 1'000'000;
  Reader& reader = context.reader;
  if (!reader.map(node, what, table("count"))) return;
  if (const Entry* min = node.find("min")) {
    out.count_min = reader.integer(min->value, what + ".min", 0, kMost);
  }
  if (const Entry* max = node.find("max")) {
    out.count_max = reader.integer(max->value, what + ".max", 1, kMost);
  }
  if (out.count_min && out.count_max && *out.count_min > *out.count_max) {
    reader.error(node.place,
                 fmt::format("{}: min {} is above max {}", what, *out.count_min, *out.count_max));
  }
}

}  // namespace

model::ProcessMatcher read_matcher(Context& context, const Node& node, const std::string& what,
                                   const Table& keys) {
  constexpr std::size_t kLongestName = 15;  // TASK_COMM_LEN - 1, include/linux/sched.h
  model::ProcessMatcher out;
  Reader& reader = context.reader;
  if (!reader.map(node, what, keys)) return out;
  bool any = false;
  for (const Entry& entry : node.entries) {
    const std::string name = what + "." + entry.key;
    any = any || (entry.key != "count" && entry.key != "every");
    if (entry.key == "unit") out.unit = reader.text(entry.value, name);
    if (entry.key == "name") out.name = reader.text(entry.value, name);
    if (entry.key == "exe") out.exe = reader.path(entry.value, name);
    if (entry.key == "argv") out.argv = reader.text(entry.value, name);
    if (entry.key == "user") out.user = reader.text(entry.value, name);
    if (entry.key == "pid_file") out.pid_file = reader.path(entry.value, name);
    if (entry.key == "count") read_count(context, entry.value, name, out);
    if (entry.key == "local_port") {
      const auto port = reader.integer(entry.value, name, 1, 65535);
      if (port) out.local_port = static_cast<std::uint16_t>(*port);
    }
    if (entry.key == "name" && out.name && out.name->size() > kLongestName) {
      reader.error(entry.value.place,
                   fmt::format("{}: the kernel keeps {} characters of a name; write '{}', or use "
                               "`exe` or `argv`",
                               name, kLongestName, out.name->substr(0, kLongestName)));
    }
  }
  if (!any) {
    reader.error(node.place, fmt::format("{}: expected at least one of unit, name, exe, argv, "
                                         "user, local_port or pid_file",
                                         what));
  }
  return out;
}

}  // namespace ordeal::spec
