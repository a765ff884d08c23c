// How a second terminal reaches a run: a socket for each run, one JSON line there, one back.
//   {"ask":"status"}                      -> {"run":..,"name":..,"phase":..,"lines":[..]}
//   {"ask":"abort","reason":"..."}        -> {"run":..,"accepted":true}
// Only root and the run's own user are answered (SO_PEERCRED).
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "engine/os/linux/fd.hpp"
#include "engine/os/task.hpp"

namespace ordeal::cli {

// Binds CONTROL/RUN.sock, for the given user. Made before root is given up.
Result<os::Fd> bind_control(const std::string& directory, const std::string& run, unsigned uid,
                            unsigned gid);

using Answerer = std::function<boost::json::object(const boost::json::object&)>;
// Serves until cancelled; a broken client is dropped.
Task<void> serve_control(os::Fd listener, Answerer answer);

// Runs that have a socket, newest last; those of game days are in folders below.
std::vector<std::string> runs_under_control(const std::string& directory);
// Whether a process listens there: a run that goes on. Never waits.
bool is_under_control(const std::string& directory, const std::string& run);
// Game days that have a folder there, newest last; their own socket is DAY/day.
std::vector<std::string> days_under_control(const std::string& directory);
// Asks one run. Code::gone when nobody listens any more; its socket is removed then.
Result<boost::json::object> ask_run(const std::string& directory, const std::string& run,
                                    const boost::json::object& question);
// Asks the last of these that goes on: sockets of those that have ended may still be there, with
// the later name. Code::gone: none does.
struct Told {
  std::string name;
  boost::json::object reply;
};
Result<Told> ask_newest(const std::string& directory, std::vector<std::string> names,
                        const boost::json::object& question);

}  // namespace ordeal::cli
