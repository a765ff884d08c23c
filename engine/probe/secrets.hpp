// The only place where references to secrets become secrets. No error text holds a value.
#pragma once

#include <map>
#include <string>

#include "engine/model/experiment.hpp"

namespace ordeal::probe {

// The literal text, the environment variable, or the file's content without its last line end.
Result<std::string> resolve(const model::SecretText& secret);
Result<std::map<std::string, std::string>> resolve_all(
    const std::map<std::string, model::SecretText>& secrets);
// The value of an Authorization header.
Result<std::string> basic_authorization(
    const std::pair<model::SecretText, model::SecretText>& user_and_password);

}  // namespace ordeal::probe
