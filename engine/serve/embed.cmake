# cmake -D OUT=assets.cpp -D "FILES=a.html;b.css" -P embed.cmake
# Writes serve::assets() (assets.hpp): the bytes of these files, each at its address.
set(rows "")
set(arrays "")
set(number 0)
foreach(file IN LISTS FILES)
  cmake_path(GET file FILENAME name)
  cmake_path(GET file EXTENSION LAST_ONLY ending)
  set(address "/${name}")
  if(ending STREQUAL ".html")
    set(type "text/html; charset=utf-8")
    set(address "/")
  elseif(ending STREQUAL ".css")
    set(type "text/css; charset=utf-8")
  elseif(ending STREQUAL ".js")
    set(type "text/javascript; charset=utf-8")
  elseif(ending STREQUAL ".svg")
    set(type "image/svg+xml")
  elseif(ending STREQUAL ".json")
    set(type "application/json")
    set(address "/api/v1/${name}")
  else()
    message(FATAL_ERROR "${file}: no type for ${ending}")
  endif()
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "const unsigned char kFile${number}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${address}\", \"${type}\", text(kFile${number})},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "// Made by engine/serve/embed.cmake.
#include \"engine/serve/assets.hpp\"

namespace ordeal::serve {
namespace {

${arrays}
template <std::size_t Size>
std::string_view text(const unsigned char (&bytes)[Size]) {
  return {reinterpret_cast<const char*>(bytes), Size};
}

}  // namespace

std::span<const Asset> assets() {
  static const Asset kAssets[] = {
${rows}  };
  return kAssets;
}

}  // namespace ordeal::serve
")
