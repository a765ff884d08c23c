// Faults as values, in every shape that a description can have: what `spec` is tested against, so
// that these tests need no fault. The real ones are checked by tests/contract.
#pragma once

#include <vector>

#include "engine/model/fault_description.hpp"

namespace ordeal::spec {

inline std::vector<model::Parameter> filters() {
  using enum model::ParameterKind;
  return {
      {.name = "local_port", .kind = ports, .summary = "Services on this host."},
      {.name = "remote_port", .kind = ports, .summary = "Services that this host talks to."},
      {.name = "remote_ip", .kind = addresses, .summary = "Hosts that this host talks to."},
      {.name = "protocol",
       .kind = choices,
       .summary = "Protocols.",
       .choices = {"tcp", "udp", "icmp"}},
      {.name = "direction",
       .kind = choice,
       .summary = "Which way.",
       .default_text = "egress",
       .choices = {"egress", "ingress", "both"}},
      {.name = "device", .kind = text, .summary = "Network interface."},
      {.name = "backend",
       .kind = choice,
       .summary = "How.",
       .default_text = "auto",
       .choices = {"auto", "netem", "nfqueue"}},
  };
}

inline model::FaultDescription network(std::string name, std::vector<model::Parameter> own) {
  model::FaultDescription out{.name = std::move(name), .parameters = std::move(own)};
  for (model::Parameter& filter : filters()) out.parameters.push_back(std::move(filter));
  return out;
}

inline std::vector<model::FaultDescription> process_faults() {
  using enum model::ParameterKind;
  model::FaultDescription kill{.name = "process.kill"};
  kill.parameters = {
      {.name = "signal", .kind = signal, .summary = "The signal.", .default_text = "KILL"},
      {.name = "grace_period",
       .kind = duration,
       .summary = "TERM first, KILL after this.",
       .minimum = 1'000,
       .maximum = 300'000'000},
      {.name = "restore",
       .kind = restore,
       .summary = "unit, supervisor, none or { argv: [...] }.",
       .required = true},
  };
  kill.target = model::TargetKind::process;
  kill.reversibility = model::Reversibility::restorable;
  kill.repeatable = true;
  model::FaultDescription pause{.name = "process.pause"};
  pause.target = model::TargetKind::unit_or_process;
  return {kill, pause};
}

inline std::vector<model::FaultDescription> resource_faults() {
  using enum model::ParameterKind;
  model::FaultDescription cpu{.name = "cpu.load"};
  cpu.parameters = {
      {.name = "load",
       .kind = percent,
       .summary = "How busy.",
       .required = true,
       .minimum = 10'000,
       .maximum = 1'000'000},
      {.name = "of",
       .kind = choice,
       .summary = "Of what.",
       .default_text = "host",
       .choices = {"host", "core", "unit"}},
      {.name = "workers", .kind = integer, .summary = "Threads.", .minimum = 1, .maximum = 1024},
      {.name = "pin", .kind = boolean, .summary = "One core each.", .default_text = "false"},
  };
  cpu.target = model::TargetKind::host_or_unit;
  model::FaultDescription memory{.name = "memory.load"};
  memory.parameters = {
      {.name = "size", .kind = bytes_or_percent, .summary = "How much.", .required = true},
      {.name = "of",
       .kind = choice,
       .summary = "Of what.",
       .default_text = "host",
       .choices = {"host", "unit"}},
      {.name = "ramp", .kind = duration, .summary = "How slowly.", .default_text = "0s"},
      {.name = "reserve", .kind = bytes, .summary = "Left free.", .default_text = "256MiB"},
      {.name = "oom",
       .kind = choice,
       .summary = "Who dies first.",
       .default_text = "stressor",
       .choices = {"stressor", "target"}},
  };
  memory.target = model::TargetKind::host_or_unit;
  model::FaultDescription disk{.name = "disk.fill"};
  disk.parameters = {
      {.name = "path", .kind = path, .summary = "Where.", .required = true},
      {.name = "percent", .kind = percent, .summary = "Of the file system."},
      {.name = "size", .kind = bytes, .summary = "How much."},
      {.name = "reserve", .kind = bytes, .summary = "Left free."},
  };
  disk.exactly_one_of = {{"percent", "size", "reserve"}};
  model::FaultDescription service{.name = "service.stop"};
  service.parameters = {
      {.name = "stop", .kind = argv, .summary = "Stops it."},
      {.name = "start", .kind = argv, .summary = "Starts it."},
  };
  service.target = model::TargetKind::unit_or_process;
  return {cpu, memory, disk, service};
}

inline std::vector<model::FaultDescription> descriptions() {
  using enum model::ParameterKind;
  std::vector<model::FaultDescription> out = process_faults();
  out.push_back(network(
      "network.delay",
      {{.name = "latency",
        .kind = duration,
        .summary = "Added to each packet.",
        .required = true,
        .minimum = 1,
        .maximum = 60'000'000},
       {.name = "jitter", .kind = duration, .summary = "More or less.", .default_text = "0s"},
       {.name = "correlation", .kind = percent, .summary = "With the one before."},
       {.name = "distribution",
        .kind = choice,
        .summary = "Of the jitter.",
        .default_text = "uniform",
        .choices = {"uniform", "normal", "pareto"}},
       {.name = "limit", .kind = integer, .summary = "Packets held.", .minimum = 1}}));
  out.push_back(
      network("network.loss",
              {{.name = "percent",
                .kind = percent,
                .summary = "Of the packets.",
                .required = true,
                .minimum = 1,
                .maximum = 1'000'000},
               {.name = "correlation", .kind = percent, .summary = "With the one before."}}));
  out.push_back(network("network.partition", {{.name = "action",
                                               .kind = choice,
                                               .summary = "What happens to packets.",
                                               .default_text = "drop",
                                               .choices = {"drop", "reject"}}}));
  for (model::FaultDescription& fault : resource_faults()) out.push_back(std::move(fault));
  return out;
}

}  // namespace ordeal::spec
