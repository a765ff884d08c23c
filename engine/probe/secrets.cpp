#include "engine/probe/secrets.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "engine/base/text.hpp"
#include "engine/probe/probes.hpp"

namespace ordeal::probe {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string base64(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t size = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < size ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= size ? kBase64[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

Result<void> check(const model::Sli& sli) {
  if (const auto* http = std::get_if<model::HttpProbe>(&sli.probe)) {
    TRY(auto headers, resolve_all(http->headers));
    ignore(headers, "only whether they can be read is asked");
    if (http->basic_auth) {
      TRY(auto value, basic_authorization(*http->basic_auth));
      ignore(value, "only whether it can be read is asked");
    }
  }
  if (const auto* exec = std::get_if<model::ExecProbe>(&sli.probe)) {
    TRY(auto environment, resolve_all(exec->env));
    ignore(environment, "only whether they can be read is asked");
  }
  return ok();
}

}  // namespace

Result<std::string> resolve(const model::SecretText& secret) {
  if (secret.env) {
    const char* value = std::getenv(secret.env->c_str());
    if (value == nullptr) {
      return Error(Code::invalid,
                   fmt::format("the environment variable {} is not set", printable(*secret.env)));
    }
    return std::string(value);
  }
  if (!secret.file) return secret.text;
  constexpr std::size_t kLongest = 65536;
  std::ifstream file(*secret.file, std::ios::binary);
  std::string text;
  if (file) text.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || text.size() > kLongest) {
    return Error(Code::invalid,
                 fmt::format("the secret in {} cannot be read", printable(*secret.file)));
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<std::map<std::string, std::string>> resolve_all(
    const std::map<std::string, model::SecretText>& secrets) {
  std::map<std::string, std::string> out;
  for (const auto& [name, secret] : secrets) {
    TRY(auto value, resolve(secret));
    out[name] = std::move(value);
  }
  return out;
}

Result<std::string> basic_authorization(
    const std::pair<model::SecretText, model::SecretText>& user_and_password) {
  TRY(auto user, resolve(user_and_password.first));
  TRY(auto password, resolve(user_and_password.second));
  return "Basic " + base64(user + ":" + password);
}

Result<void> check_secrets(const std::vector<model::Sli>& slis) {
  for (const model::Sli& sli : slis) {
    CHECK_OK(within("SLI " + sli.name, check(sli)));
  }
  return ok();
}

}  // namespace ordeal::probe
