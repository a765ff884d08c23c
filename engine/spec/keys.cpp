#include "engine/spec/keys.hpp"

#include <algorithm>

#include "engine/base/assert.hpp"
#include "engine/spec/schedule.hpp"

namespace ordeal::spec {
namespace {

Table experiment_table() {
  return {"experiment",
          "an experiment",
          {
              {"version", Shape::version, true, "Of the file format: 1."},
              {"name", Shape::text, true, "Short name, of a-z, 0-9 and -."},
              {"hypothesis", Shape::text, true, "What you believe, in a sentence."},
              {"owner", Shape::text, false, "Who is asked about this experiment."},
              {"links", Shape::text_map, false, "Names and URLs: runbook, dashboard."},
              {"labels", Shape::text_map, false, "Names and values, for searching."},
              {"tags", Shape::texts, false, "Words, for choosing experiments."},
              {"vars", Shape::value_map, false,
               "Variables with their defaults; ~ must be given with --var."},
              {"service", Shape::text, false,
               "File with owner, links, slis, steady_state and abort_if of the service."},
              {"slis", Shape::table_map, false, "What is measured.", "sli"},
              {"steady_state", Shape::conditions, false, "Holds when the service is well."},
              {"during", Shape::conditions_or_none, false,
               "Holds while the faults are active; absent: steady_state."},
              {"expect", Shape::conditions, false, "Must become true while the faults are active."},
              {"abort_if", Shape::conditions_or_none, false, "Any one stops everything."},
              {"baseline", Shape::duration, false, "How long is measured before the first fault."},
              {"warmup", Shape::duration, false, "Measured but dropped before the baseline: 2s."},
              {"method", Shape::method, true, "Steps, in order."},
              {"recovery", Shape::recovery, false, "How soon the service must be well again.",
               "recovery"},
              {"blast_radius", Shape::table, false, "Upper limits.", "blast_radius"},
              {"stop_on", Shape::choice, false, "violation: revert at the first broken condition.",
               "violation"},
          }};
}

std::vector<Table> sli_tables() {
  return {
      {"service",
       "a service file",
       {
           {"version", Shape::version, true, "Of the file format: 1."},
           {"service", Shape::text, true, "Name of the service."},
           {"owner", Shape::text, false, "Who is asked about the service."},
           {"links", Shape::text_map, false, "Names and URLs."},
           {"slis", Shape::table_map, false, "What is measured.", "sli"},
           {"steady_state", Shape::conditions, false, "Holds when the service is well."},
           {"abort_if", Shape::conditions_or_none, false, "Any one stops everything."},
       }},
      {"sli",
       "an SLI",
       {
           {"http", Shape::table, false, "Requests over HTTP.", "http"},
           {"tcp", Shape::table, false, "TCP connections.", "tcp"},
           {"dns", Shape::table, false, "DNS queries.", "dns"},
           {"exec", Shape::table, false, "A program that prints a number or exits with 0.", "exec"},
           {"process", Shape::table, false, "Processes that must be there.", "process_sli"},
           {"host", Shape::table, false, "A value of this host.", "host_sli"},
           {"min_samples", Shape::integer, false, "Fewer samples in a window are not judged."},
           {"on_no_data", Shape::choice, false, "What silence means.", "abort|inconclusive"},
       }},
      {"http",
       "an http SLI",
       {
           {"url", Shape::text, true, "http:// or https://"},
           {"method", Shape::choice, false, "GET by default.",
            "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"},
           {"headers", Shape::secret_map, false, "Request headers."},
           {"auth", Shape::table, false, "Basic authentication.", "auth"},
           {"body", Shape::text, false, "Request body."},
           {"rate", Shape::rate, false, "Requests, whatever is outstanding: 50/s by default."},
           {"concurrency", Shape::integer, false, "Instead of rate: so many, one after another."},
           {"timeout", Shape::duration, false, "Later is a failed request: 1s."},
           {"ok_when", Shape::table, false, "What a good answer is.", "ok_when"},
           {"insecure_skip_verify", Shape::boolean, false, "Accept any certificate."},
       }},
      {"tcp",
       "a tcp SLI",
       {
           {"address", Shape::text, true, "host:port"},
           {"rate", Shape::rate, false, "Connections: 1/s by default."},
           {"timeout", Shape::duration, false, "Later is a failed connection: 1s."},
       }},
      {"dns",
       "a dns SLI",
       {
           {"server", Shape::text, true, "address or address:port"},
           {"name", Shape::text, true, "Name to ask for."},
           {"type", Shape::choice, false, "A by default.", "A|AAAA|CNAME|MX|NS|PTR|SOA|SRV|TXT"},
           {"rate", Shape::rate, false, "Queries: 1/s by default."},
           {"timeout", Shape::duration, false, "Later is a failed query: 1s."},
       }},
  };
}

std::vector<Table> gauge_tables() {
  return {
      {"exec",
       "an exec SLI",
       {
           {"argv", Shape::argv, true, "Program and arguments; no shell."},
           {"mode", Shape::choice, false, "value: one number on stdout; ok: exit 0 means up.",
            "value|ok"},
           {"every", Shape::duration, false, "1s by default."},
           {"timeout", Shape::duration, false, "Later is no data: 1s."},
           {"env", Shape::secret_map, false, "Environment of the program."},
           {"unit", Shape::choice, false, "Of the number.", "s|ms|%|B|/s|B/s"},
       }},
      {"host_sli",
       "a host SLI",
       {
           {"disk_free", Shape::text, false, "Space left on the file system of this path."},
           {"disk_used", Shape::text, false, "Space taken on the file system of this path."},
           {"every", Shape::duration, false, "1s by default."},
           {"unit", Shape::choice, false, "% (default) or B.", "%|B"},
       }},
  };
}

std::vector<Key> matcher_keys(bool counted) {
  std::vector<Key> keys = {
      {"unit", Shape::text, false, "systemd unit that the process belongs to."},
      {"name", Shape::text, false, "Name of the process, at most 15 characters."},
      {"exe", Shape::text, false, "Absolute path of the program."},
      {"argv", Shape::text, false, "Pattern (* ?) over the command line."},
      {"user", Shape::text, false, "User name or number."},
      {"local_port", Shape::integer, false, "Port on which it listens."},
      {"pid_file", Shape::text, false, "Absolute path of a file with the pid."},
  };
  if (counted) {
    keys.push_back({"count", Shape::table, false, "How many must match.", "count"});
  } else {
    keys.push_back({"every", Shape::duration, false, "1s by default."});
  }
  return keys;
}

std::vector<Table> part_tables() {
  return {
      {"process_sli", "a process SLI", matcher_keys(false)},
      {"matcher", "`process`", matcher_keys(true)},
      {"count",
       "`count`",
       {{"min", Shape::integer, false, "Refused when fewer match."},
        {"max", Shape::integer, false, "Refused when more match."}}},
      {"ok_when",
       "`ok_when`",
       {{"status", Shape::statuses, false, "200-399 by default."},
        {"faster_than", Shape::duration, false, "A slower answer is a failed one."},
        {"body_contains", Shape::text, false, "Text in the first 64 KiB of the body."}}},
      {"auth",
       "`auth`",
       {{"user", Shape::text, true, "User name, or a secret."},
        {"password", Shape::secret, true, "{env: NAME} or {file: PATH}"}}},
      {"secret",
       "a secret",
       {{"env", Shape::text, false, "Name of an environment variable."},
        {"file", Shape::text, false, "Absolute path of a file."}}},
      {"recovery",
       "`recovery`",
       {{"within", Shape::duration, true, "Well again at the latest after this."},
        {"hold", Shape::duration, false, "And stays well for this."}}},
      {"blast_radius",
       "`blast_radius`",
       {{"hosts", Shape::integer, false, "1 by default."},
        {"host_share", Shape::percent, false, "Of the matched hosts: 50% by default."},
        {"processes", Shape::integer, false, "Over the whole run."},
        {"process_share", Shape::percent, false, "Picked of the matched processes."},
        {"duration", Shape::duration, false, "Of the method: its length + 50% by default."}}},
      {"restore",
       "`restore`",
       {{"argv", Shape::argv, true, "Program and arguments; no shell."},
        {"timeout", Shape::duration, false, "How long it may take."}}},
  };
}

std::vector<Table> method_tables() {
  return {
      {"step",
       "a step",
       {
           {"name", Shape::text, false, "Default: its number and fault."},
           {"fault", Shape::text, true, "What breaks: `ordeal faults` lists them."},
           {"target", Shape::table, false, "What is hit.", "target"},
           {"with", Shape::parameters, false, "Parameters of the fault."},
           {"duration", Shape::duration, true, "Held, repeated or watched this long."},
           {"interval", Shape::duration, false, "Repeat within the duration."},
           {"start_delay", Shape::duration, false, "Inside `parallel`: begins this much later."},
           {"expect", Shape::conditions, false, "Must become true while this step is active."},
           {"abort_if", Shape::conditions, false, "Added to the global list while active."},
           {"during", Shape::conditions_or_none, false, "Replaces the global list while active."},
       }},
      {"parallel",
       "`parallel`",
       {{"parallel", Shape::steps, true, "Steps that overlap; reverted each at its own end."}}},
      {"wait",
       "`wait`",
       {{"wait", Shape::wait, true, "A time, or a condition and a limit.", "until"}}},
      {"until",
       "`wait`",
       {{"until", Shape::condition, true, "Goes on when this holds."},
        {"within", Shape::duration, true,
         "Violated, and the method stops, when it takes longer."}}},
      {"target",
       "`target`",
       {
           {"process", Shape::table, false, "Which processes: all that are named must fit.",
            "matcher"},
           {"unit", Shape::text, false, "A systemd unit itself."},
           {"mode", Shape::choice, false, "How many of those that match: all by default.",
            "all|one|fixed|fixed_percent|random_max_percent"},
           {"value", Shape::count_or_percent, false, "For fixed a number, else a percentage."},
       }},
  };
}

constexpr std::string_view kOtherHosts =
    " is not there yet: this version runs on the local host only; leave it out";

const std::vector<Hint>& hints() {
  static const std::string hosts = "`hosts`" + std::string(kOtherHosts);
  static const std::string between =
      "`between`" + std::string(kOtherHosts) + " and use `target`, or `remote_ip` in `with`";
  static const std::string inventory = "`inventory`" + std::string(kOtherHosts);
  static const std::vector<Hint> kHints = {
      // Not there yet.
      {"sli", "prometheus", "",
       "SLIs of kind `prometheus` are not there yet; use `http` or `exec`"},
      {"target", "hosts", "", hosts},
      {"step", "hosts", "", hosts},
      {"experiment", "hosts", "", hosts},
      {"target", "labels", "", hosts},
      {"target", "names", "", hosts},
      {"step", "between", "", between},
      {"experiment", "inventory", "", inventory},
      {"target", "where", "", "`where` is not there yet: a target cannot be asked what it is"},
      {"experiment", "search", "",
       "`search` is not there yet: this version runs one method as it is written"},
      // Other names for what is there.
      {"step", "on", "target", "write `target`: YAML readers take `on` for true"},
      {"step", "selector", "target", ""},
      {"step", "true", "target", "write `target`: YAML readers take `on` for true"},
      {"step", "action", "fault", ""},
      {"step", "type", "fault", ""},
      {"step", "provider", "fault", ""},
      {"step", "parameters", "with", ""},
      {"step", "args", "with", ""},
      {"step", "arguments", "with", ""},
      {"step", "params", "with", ""},
      {"step", "pauses", "", "a pause is its own item of `method`: `- wait: 10s`"},
      {"experiment", "title", "name", ""},
      {"experiment", "description", "hypothesis", ""},
      {"experiment", "steady-state-hypothesis", "steady_state", ""},
      {"experiment", "steady_state_hypothesis", "steady_state", ""},
      {"experiment", "thresholds", "steady_state",
       "write conditions under `steady_state` or `during`; `thresholds` is k6's"},
      {"experiment", "scenarios", "method",
       "the load is the `rate` of an SLI, and faults are under `method`; `scenarios` is k6's"},
      {"experiment", "rollbacks", "",
       "`rollbacks` are not needed: every fault brings its own undo; remove it"},
      {"experiment", "abort", "abort_if", ""},
      {"experiment", "probes", "slis", ""},
      {"experiment", "sli", "slis", ""},
      {"experiment", "steps", "method", ""},
      {"experiment", "faults", "method", ""},
      {"experiment", "variables", "vars", ""},
      {"experiment", "configuration", "vars", ""},
      {"experiment", "secrets", "",
       "secrets are named where they are used: {env: NAME} or {file: PATH} in `headers`, `auth` "
       "or `env` of an SLI"},
      {"http", "vus", "concurrency", "`vus` is k6's name; write `concurrency`"},
      {"http", "qps", "rate", ""},
      {"http", "interval", "rate", "an http SLI has a `rate` such as 50/s, not an interval"},
      {"http", "every", "rate", "an http SLI has a `rate` such as 50/s, not an interval"},
      {"tcp", "every", "rate", "a tcp SLI has a `rate` such as 1/s, not an interval"},
      {"dns", "every", "rate", "a dns SLI has a `rate` such as 1/s, not an interval"},
      {"http", "expected_status", "ok_when", "write `ok_when: { status: 200-299 }`"},
      {"http", "status", "ok_when", "write `ok_when: { status: 200-299 }`"},
      {"http", "checks", "ok_when", "write `ok_when`; `checks` is k6's"},
      {"http", "token", "headers", "write `headers: { Authorization: { env: NAME } }`"},
      {"http", "tls_skip_verify", "insecure_skip_verify", ""},
      {"exec", "command", "argv", "write `argv: [/path/of/program, argument]`: there is no shell"},
      {"exec", "cmd", "argv", "write `argv: [/path/of/program, argument]`: there is no shell"},
      {"exec", "interval", "every", ""},
      {"exec", "rate", "every", "an exec SLI has `every`, such as 1s"},
      {"matcher", "port", "local_port", ""},
      {"matcher", "pid", "pid_file",
       "a pid means something else tomorrow; use `pid_file` or `unit`"},
      {"process_sli", "port", "local_port", ""},
      {"blast_radius", "share", "process_share",
       "write `process_share` or `host_share`: a share of what?"},
  };
  return kHints;
}

}  // namespace

const std::vector<Table>& tables() {
  static const std::vector<Table> kTables = [] {
    std::vector<Table> out = {experiment_table()};
    for (auto part : {sli_tables(), gauge_tables(), part_tables(), method_tables()}) {
      std::move(part.begin(), part.end(), std::back_inserter(out));
    }
    return out;
  }();
  return kTables;
}

const Table& table(std::string_view name) {
  const auto found = std::find_if(tables().begin(), tables().end(),
                                  [&](const Table& table) { return table.name == name; });
  ORDEAL_ASSERT(found != tables().end());
  return *found;
}

std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> out;
  for (const Key& key : table.keys)
    out.emplace_back(key.name);
  return out;
}

const Hint* find_hint(std::string_view table, std::string_view wrong) {
  for (const std::vector<Hint>* all : {&hints(), &schedule_hints()}) {
    const auto found = std::find_if(all->begin(), all->end(), [&](const Hint& hint) {
      return hint.wrong == wrong && hint.table == table;
    });
    if (found != all->end()) return &*found;
  }
  return nullptr;
}

}  // namespace ordeal::spec
