// What probes need of the network: requests of our own to the service under test.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/units.hpp"
#include "engine/os/task.hpp"

namespace ordeal::os {

struct HttpRequest {
  std::string url;  // http:// or https://
  std::string method = "GET";
  std::map<std::string, std::string> headers;
  std::string body;
  bool insecure_skip_verify = false;
};

struct HttpAnswer {
  int status = 0;
  std::string body;  // cut at 64 KiB
};

// Keep-alive connections are pooled by origin. One Client serves all probes of a run.
class Client {
 public:
  virtual ~Client() = default;
  // Errors: Code::timeout at the deadline, Code::closed for refused or reset, Code::failed else
  // (name not found, TLS, broken answer). Redirects are not followed.
  virtual Task<Result<HttpAnswer>> http(HttpRequest request, BootTime deadline) = 0;
  // Connects to "host:port" and closes.
  virtual Task<Result<void>> tcp_connect(std::string address, BootTime deadline) = 0;
  // Sends one datagram to "address:port" and waits for one answer.
  virtual Task<Result<std::string>> udp_exchange(std::string address, std::string query,
                                                 BootTime deadline) = 0;
};

}  // namespace ordeal::os
