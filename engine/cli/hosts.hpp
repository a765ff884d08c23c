// The way from the command line to the executors of an inventory's hosts.
#pragma once

#include <functional>
#include <optional>

#include "engine/fleet/connect.hpp"
#include "engine/model/inventory.hpp"
#include "engine/os/linux/caller.hpp"

namespace ordeal::cli {

// Says what is wrong with it on stderr, and gives nothing then.
std::optional<model::Inventory> read_inventory(const std::string& file);

struct Rooted;

// The executor that is beside us, to be copied to hosts. Reads some 3 MB.
Result<fleet::ExecutorFile> executor_file();

// Asks every host of the inventory at once; `answered` is called as they answer, so that a slow or
// dead host holds up nobody else. `here` are the executor's arguments on this machine, which are
// asked through what was kept before root was given up; `far` those for ssh hosts, with `input` for
// their stdin.
struct Question {
  std::vector<std::string> here;
  std::vector<std::string> far;
  std::string input;
  Duration within{};     // for each host
  bool changes = false;  // needs root on this machine
};
using Answered = std::function<void(const model::InventoryHost&, Result<fleet::FarAnswer>)>;
Result<void> ask_hosts(const model::Inventory& inventory, Rooted& rooted, const Question& question,
                       const Answered& answered);

}  // namespace ordeal::cli
