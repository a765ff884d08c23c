// Words between us and OpenSSH: the command lines of both ends, and what comes back before the
// first frame. Pure; connect.cpp does it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/inventory.hpp"

namespace ordeal::fleet {

// The ordeal-executor that is copied to hosts that have none.
struct ExecutorFile {
  std::string bytes;
  std::string sha256;   // hexadecimal
  std::string machine;  // as `uname -m` says where it runs: "x86_64"
};

// `ssh ... -- HOST COMMAND` with the user's own configuration, keys, bastions and known hosts.
// Whatever else that configuration says, it asks nobody, forwards nothing, shares no connection and
// notices within some 10 s that the link is cut.
// Error (invalid): a user or host that ssh or a proxy command of the user might take for something
// else than a name.
Result<std::vector<std::string>> ssh_argv(const model::InventoryHost& host,
                                          const std::string& ssh_config,
                                          const std::string& command);

// What the far side's sshd is to run: finds or takes a copy of the executor, then becomes it with
// these arguments. It is fixed text: what users wrote is never part of it.
//   installed  /usr/lib/ordeal/ordeal-executor, when it and its folder are root's and nobody else
//              can write them, and when it speaks our protocol
//   copied     ~/.cache/ordeal/ordeal-executor-SHA256, 0700; where programs may not run there, in
//              /run/user/UID/ordeal. Copies that nobody used for a week are removed.
std::string far_command(const ExecutorFile& file, bool sudo,
                        const std::vector<std::string>& arguments);

// One line of the far side's part.
struct FarWord {
  enum class Kind {
    other,  // not from us: a login script prints
    need,   // send the bytes now
    ready,  // the next byte is the executor's
    refused,
  };
  Kind kind = Kind::other;
  std::string what;  // ready: "installed", "found" or "copied"; refused: the reason's name
  std::string text;  // ready: its path; refused: details
};
FarWord far_word(std::string_view line);

// Why the far side refused, for a person, with what mends it.
std::string refusal_text(const FarWord& refused);

// Why ssh did not get there: its own last words (`errors` is its stderr) and what to try.
std::string ssh_failure(const model::InventoryHost& host, const std::string& ssh_config,
                        std::string_view errors);

}  // namespace ordeal::fleet
