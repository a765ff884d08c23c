// Probes that send requests: http, tcp, dns.
#include <fmt/format.h>

#include <algorithm>

#include "engine/probe/dns.hpp"
#include "engine/probe/runner.hpp"
#include "engine/probe/secrets.hpp"

namespace ordeal::probe {
namespace {

Attempt judge_answer(const model::OkWhen& wanted, const os::HttpAnswer& answer, Duration took) {
  Attempt out;
  bool status = answer.status >= wanted.status_min && answer.status <= wanted.status_max;
  if (!wanted.statuses.empty()) {
    status = std::any_of(wanted.statuses.begin(), wanted.statuses.end(), [&](const auto& range) {
      return answer.status >= range.first && answer.status <= range.second;
    });
  }
  if (!status) {
    out.problem = fmt::format("status {}", answer.status);
  } else if (wanted.faster_than && took >= *wanted.faster_than) {
    out.problem = "slower than " + format_duration(*wanted.faster_than);
  } else if (wanted.body_contains && answer.body.find(*wanted.body_contains) == answer.body.npos) {
    out.problem = "body without the text of body_contains";
  }
  out.good = out.problem.empty();
  return out;
}

Task<Attempt> ask_http(Runner& runner, const model::HttpProbe& probe, os::HttpRequest request,
                       BootTime deadline) {
  Task<Result<os::HttpAnswer>> asked = runner.tools.client.http(std::move(request), deadline);
  const Result<os::HttpAnswer> answer = co_await std::move(asked);
  if (answer.has_error()) co_return failed(answer.error(), probe.timeout);
  // Counted from the scheduled moment, as latency is.
  const Duration took = runner.now() - (deadline - probe.timeout);
  co_return judge_answer(probe.ok_when, answer.value(), took);
}

Task<Attempt> ask_tcp(Runner& runner, const model::TcpProbe& probe, BootTime deadline) {
  Task<Result<void>> asked = runner.tools.client.tcp_connect(probe.address, deadline);
  const Result<void> answer = co_await std::move(asked);
  if (answer.has_error()) co_return failed(answer.error(), probe.timeout);
  Attempt out;
  out.good = true;
  co_return out;
}

Task<Attempt> ask_dns(Runner& runner, const model::DnsProbe& probe, std::uint16_t id,
                      BootTime deadline) {
  auto query = dns_query(id, probe.name, probe.type);
  if (query.has_error()) co_return failed(query.error(), probe.timeout);
  Task<Result<std::string>> asked =
      runner.tools.client.udp_exchange(probe.server, std::move(query.value()), deadline);
  const Result<std::string> answer = co_await std::move(asked);
  if (answer.has_error()) co_return failed(answer.error(), probe.timeout);
  const Result<void> checked = check_dns_answer(answer.value(), id, probe.type);
  if (checked.has_error()) co_return failed(checked.error(), probe.timeout);
  Attempt out;
  out.good = true;
  co_return out;
}

// A probe that cannot even be built: no data, again and again, so that nobody takes it for silence.
Attempter never_measures(const std::string& problem) {
  return [problem](BootTime) -> Task<Attempt> {
    Attempt out;
    out.no_data = true;
    out.problem = problem;
    co_return out;
  };
}

Result<os::HttpRequest> request_of(const model::HttpProbe& probe) {
  os::HttpRequest request;
  request.url = probe.url;
  request.method = probe.method;
  request.body = probe.body;
  request.insecure_skip_verify = probe.insecure_skip_verify;
  TRY(auto headers, resolve_all(probe.headers));
  request.headers = std::move(headers);
  if (probe.basic_auth) {
    TRY(auto value, basic_authorization(*probe.basic_auth));
    request.headers["Authorization"] = std::move(value);
  }
  return request;
}

}  // namespace

Task<void> run_http(Runner& runner, std::size_t index, const model::HttpProbe& probe) {
  const auto request = std::make_shared<const Result<os::HttpRequest>>(request_of(probe));
  Attempter attempt;
  if (request->has_error()) {
    attempt = never_measures(request->error().message());
  } else {
    attempt = [&runner, &probe, request](BootTime deadline) {
      return ask_http(runner, probe, request->value(), deadline);
    };
  }
  const auto shared = std::make_shared<const Attempter>(std::move(attempt));
  if (probe.concurrency > 0) {
    co_await closed_loop(runner, index, probe.concurrency, probe.timeout, shared);
  } else {
    co_await open_loop(runner, index, probe.rate, probe.timeout, shared);
  }
}

Task<void> run_tcp(Runner& runner, std::size_t index, const model::TcpProbe& probe) {
  Attempter attempt = [&runner, &probe](BootTime deadline) {
    return ask_tcp(runner, probe, deadline);
  };
  const auto shared = std::make_shared<const Attempter>(std::move(attempt));
  co_await open_loop(runner, index, probe.rate, probe.timeout, shared);
}

Task<void> run_dns(Runner& runner, std::size_t index, const model::DnsProbe& probe) {
  const auto id = std::make_shared<std::uint16_t>(0);
  Attempter attempt = [&runner, &probe, id](BootTime deadline) {
    return ask_dns(runner, probe, ++*id, deadline);
  };
  const auto shared = std::make_shared<const Attempter>(std::move(attempt));
  co_await open_loop(runner, index, probe.rate, probe.timeout, shared);
}

}  // namespace ordeal::probe
