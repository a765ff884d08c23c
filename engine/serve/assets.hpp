// The page and the API's description, as they were when the program was built (embed.cmake).
#pragma once

#include <span>
#include <string_view>

namespace ordeal::serve {

struct Asset {
  std::string_view path;  // "/app.js"
  std::string_view type;
  std::string_view body;
};

std::span<const Asset> assets();

}  // namespace ordeal::serve
