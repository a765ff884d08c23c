#include "engine/spec/keys.hpp"

#include <algorithm>

#include "engine/base/assert.hpp"
#include "engine/spec/gameday.hpp"
#include "engine/spec/inventory.hpp"
#include "engine/spec/schedule.hpp"

namespace ordeal::spec {
namespace {

Table experiment_table() {
  return {"experiment",
          "an experiment",
          {
              {"version", Shape::version, true, "Of the file format: 1."},
              {"name", Shape::text, true, "Short name: letters, digits and - _ . alone."},
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
           {"between", Shape::selector_pair, false,
            "Instead of target: what these two groups of hosts say to each other.",
            "host_selector"},
           {"roll", Shape::table, false, "Through the hosts a few at a time.", "roll"},
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
      {"roll",
       "`roll`",
       {{"at_once", Shape::integer, false, "So many hosts at a time: 1 by default."},
        {"until", Shape::condition, false, "Goes on to the next hosts when this holds."},
        {"within", Shape::duration, false,
         "Violated, and the method stops, when it takes longer."}}},
      {"target",
       "`target`",
       {
           {"hosts", Shape::table, false, "On which hosts of the inventory.", "host_selector"},
           {"where", Shape::table, false,
            "Only hosts on which this program prints what is asked for.", "where"},
           {"process", Shape::table, false, "Which processes: all that are named must fit.",
            "matcher"},
           {"unit", Shape::text, false, "A systemd unit itself."},
           {"mode", Shape::choice, false, "How many of those that match: all by default.",
            "all|one|fixed|fixed_percent|random_max_percent"},
           {"value", Shape::count_or_percent, false, "For fixed a number, else a percentage."},
       }},
  };
}

std::vector<Table> host_tables() {
  return {
      {"host_selector",
       "`hosts`",
       {
           {"names", Shape::texts, false, "Names of hosts."},
           {"labels", Shape::label_rules, false, "Labels, each with a value or a rule: all fit.",
            "label_rule"},
           {"exclude", Shape::texts, false, "Names of hosts that are left out."},
           {"mode", Shape::choice, false, "How many of those that match: all by default.",
            "all|one|fixed|fixed_percent|random_max_percent"},
           {"value", Shape::count_or_percent, false, "For fixed a number, else a percentage."},
           {"at_most", Shape::table, false, "No more with the same value of a label.", "at_most"},
       }},
      {"label_rule",
       "a rule for a label",
       {{"in", Shape::texts, false, "The label has one of these values."},
        {"not_in", Shape::texts, false, "The label has none of these values, or is not there."},
        {"exists", Shape::boolean, false, "The label is there, or is not."}}},
      {"at_most",
       "`at_most`",
       {{"per", Shape::text, true, "Name of a label, such as zone."},
        {"value", Shape::integer, true, "So many hosts with the same value of it."}}},
      {"where",
       "`where`",
       {{"exec", Shape::argv, true, "Absolute path of a program, and arguments; no shell."},
        {"stdout", Shape::text, true, "Regular expression that some line of its output matches."}}},
  };
}

}  // namespace

const std::vector<Table>& tables() {
  static const std::vector<Table> kTables = [] {
    std::vector<Table> out = {experiment_table()};
    for (auto part :
         {sli_tables(), gauge_tables(), part_tables(), method_tables(), host_tables()}) {
      std::move(part.begin(), part.end(), std::back_inserter(out));
    }
    return out;
  }();
  return kTables;
}

const Table& table_in(const std::vector<Table>& tables, std::string_view name) {
  const auto found = std::find_if(tables.begin(), tables.end(),
                                  [&](const Table& table) { return table.name == name; });
  ORDEAL_ASSERT(found != tables.end());
  return *found;
}

const Table& table(std::string_view name) { return table_in(tables(), name); }

std::vector<std::string> names_of(const Table& table) {
  std::vector<std::string> out;
  for (const Key& key : table.keys) out.emplace_back(key.name);
  return out;
}

const Hint* find_hint(std::string_view table, std::string_view wrong) {
  for (const auto* all :
       {&experiment_hints(), &schedule_hints(), &inventory_hints(), &gameday_hints()}) {
    const auto found = std::find_if(all->begin(), all->end(), [&](const Hint& hint) {
      return hint.wrong == wrong && hint.table == table;
    });
    if (found != all->end()) return &*found;
  }
  return nullptr;
}

}  // namespace ordeal::spec
