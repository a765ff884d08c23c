#include "engine/report/layout.hpp"

#include <algorithm>

namespace ordeal::report {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

}  // namespace

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string cut(std::string_view text, std::size_t width) {
  if (width_of(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t bytes = 0;
  for (std::size_t characters = 0; bytes < text.size(); ++bytes) {
    if (begins_character(text[bytes]) && ++characters == width) break;
  }
  return std::string(text.substr(0, bytes)) + "~";
}

std::string pad(std::string_view text, std::size_t width, bool right) {
  const std::size_t has = width_of(text);
  const std::string blank(has < width ? width - has : 0, ' ');
  return right ? blank + std::string(text) : std::string(text) + blank;
}

std::string spread(std::string_view left, std::string_view right, std::size_t width) {
  const std::size_t taken = width_of(right);
  if (taken + 2 > width) return cut(left, width);
  return pad(cut(left, width - taken - 1), width - taken) + std::string(right);
}

std::vector<std::string> wrap(std::string_view text, std::size_t width, std::size_t indent) {
  std::vector<std::string> lines;
  std::string line;
  bool has_word = false;
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    const std::size_t end = std::min(text.find(' ', start), text.size());
    // Spaces inside a line stay as they were: columns within it keep their places.
    const std::string_view word = text.substr(0, end);
    if (has_word && width_of(line) + width_of(word) > width) {
      lines.push_back(std::move(line));
      line = std::string(indent, ' ') + std::string(text.substr(start, end - start));
    } else {
      line += word;
    }
    has_word = true;
    text.remove_prefix(end);
  }
  if (has_word) lines.push_back(std::move(line));
  return lines;
}

std::string paint(const Style& style, Tone tone, std::string_view text) {
  if (!style.color || tone == Tone::plain) return std::string(text);
  const char* code = tone == Tone::good      ? "32"
                     : tone == Tone::bad     ? "1;31"
                     : tone == Tone::warning ? "33"
                                             : "2";
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

Tone tone_of(const Report& report) {
  if (!report.verdict) return Tone::warning;
  switch (static_cast<model::Exit>(report.verdict->exit)) {
    case model::Exit::upheld: return Tone::good;
    case model::Exit::inconclusive:
    case model::Exit::interrupted:
    case model::Exit::refused:
    case model::Exit::unsteady: return Tone::warning;
    default: return Tone::bad;
  }
}

Tone tone_of_word(std::string_view word) {
  if (word == "ok" || word == "far") return Tone::good;
  if (word == "FAIL" || word == "ABORT") return Tone::bad;
  if (word == "????" || word == "near") return Tone::warning;
  return Tone::quiet;
}

std::vector<std::string> table(const std::vector<Column>& columns,
                               const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size() && i < columns.size(); ++i) {
      widths[i] = std::max(widths[i], std::min(width_of(row[i]), columns[i].most));
    }
  }
  std::vector<std::string> lines;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size() && i < columns.size(); ++i) {
      if (i > 0) line += "  ";
      line += pad(cut(row[i], widths[i]), widths[i], columns[i].right);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace ordeal::report
