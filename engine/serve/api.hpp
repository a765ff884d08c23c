// The HTTP API, version 1: requests to answers. docs/reference/openapi.json describes it, and a
// test compares the two. What may come in at all is decided before (door.hpp).
#pragma once

#include <string>

#include "engine/os/clock.hpp"
#include "engine/serve/actions.hpp"
#include "engine/serve/request.hpp"
#include "engine/serve/runs.hpp"
#include "engine/serve/tickets.hpp"

namespace ordeal::serve {

class Api {
 public:
  struct About {
    std::string version;
    std::string host;
    std::string schedule;  // the schedule file, or empty
    std::string token_file;
    std::string inventory;  // the file, or empty
  };
  Api(std::string history, os::Clock& clock, Actions& actions, About about, Tickets tickets);

  Task<Answer> answer(Request request);
  // Halts and aborts, which have to get through when nothing else does.
  static bool stops_things(const Request& request);
  // Whether it may be read without the token: a file of the page, or what its ticket opens.
  bool is_open(const Request& request) const;
  Runs& runs() { return runs_; }
  os::Clock& clock() { return clock_; }

 private:
  using Handler = Task<Answer> (Api::*)(Request);
  struct Route {
    const char* method;
    const char* path;  // "/api/v1/runs/{run}"
    Handler handler;
  };
  static const Route* find_route(const Request& request, std::string& allowed);

  Task<Answer> health(Request request);
  Task<void> turn();
  Task<Answer> validate(Request request);
  Task<Answer> plan(Request request);
  Task<Answer> start(Request request);
  Task<Answer> list_runs(Request request);
  Task<Answer> one_run(Request request);
  Task<Answer> report(Request request);
  Task<Answer> report_page(Request request);
  Task<Answer> link(Request request);
  Task<Answer> events(Request request);
  Task<Answer> abort(Request request);
  Task<Answer> halted(Request request);
  Task<Answer> halt(Request request);
  Task<Answer> lift(Request request);
  Task<Answer> host(Request request);
  Task<Answer> schedules(Request request);
  Task<Answer> resume(Request request);
  Task<Answer> firings(Request request);
  Task<Answer> fired(Request request);
  static Answer asset(const Request& request);

  os::Clock& clock_;
  Actions& actions_;
  About about_;
  Tickets tickets_;
  Runs runs_;
  BootTime next_turn_{};  // of the files that are submitted
};

// Reads the body of validate, plan and start. Error: the refusal to send.
struct Submitted {
  Submission submission;
  std::optional<Answer> refused;
};
Submitted read_submission(const Request& request);

}  // namespace ordeal::serve
