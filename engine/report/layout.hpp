// Lines and columns of plain text. Widths count characters, not bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/report/render.hpp"

namespace ordeal::report {

std::size_t width_of(std::string_view text);
// Cut to `width` characters, the last of them "~" when something was cut.
std::string cut(std::string_view text, std::size_t width);
std::string pad(std::string_view text, std::size_t width, bool right = false);
// Left at column 0, right against `width`; the left part is cut when both do not fit.
std::string spread(std::string_view left, std::string_view right, std::size_t width);
// Breaks at spaces; the following lines begin with `indent` spaces.
std::vector<std::string> wrap(std::string_view text, std::size_t width, std::size_t indent);

enum class Tone { plain, good, bad, warning, quiet };
std::string paint(const Style& style, Tone tone, std::string_view text);
Tone tone_of(const Report& report);        // of the verdict
Tone tone_of_word(std::string_view word);  // "ok", "FAIL", ...

struct Column {
  bool right = false;
  std::size_t most = 30;  // cut longer cells
};
// Rows of cells as aligned lines, two spaces apart, trailing spaces removed.
std::vector<std::string> table(const std::vector<Column>& columns,
                               const std::vector<std::vector<std::string>>& rows);

}  // namespace ordeal::report
