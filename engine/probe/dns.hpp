// DNS messages (RFC 1035), as far as a probe needs them: one question, and whether it was answered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace ordeal::probe {

// Errors: a name with an empty or too long label; a type that is not known.
Result<std::string> dns_query(std::uint16_t id, std::string_view name, std::string_view type);
// Good: NOERROR with at least one record of the type that was asked for. Errors say in a word or
// two what came instead: "NXDOMAIN", "SERVFAIL", "no A record", "broken answer".
Result<void> check_dns_answer(std::string_view answer, std::uint16_t id, std::string_view type);

}  // namespace ordeal::probe
