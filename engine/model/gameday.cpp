#include "engine/model/gameday.hpp"

namespace ordeal::model {

After default_after(const std::string& exit_name) {
  if (exit_name == "upheld") return After::go_on;
  return exit_name == "dirty" ? After::stop : After::ask;
}

}  // namespace ordeal::model
