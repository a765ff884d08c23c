#include "engine/os/linux/settings.hpp"

#include <cstdlib>

namespace ordeal::os {
namespace {

std::string variable(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

bool is_lent_root() {
  for (const char* name : {"SUDO_UID", "PKEXEC_UID"}) {
    const std::string uid = variable(name);
    if (!uid.empty() && uid != "0") return true;
  }
  const std::string user = variable("DOAS_USER");
  return !user.empty() && user != "root";
}

std::string setting(const char* name) { return is_lent_root() ? "" : variable(name); }

}  // namespace ordeal::os
