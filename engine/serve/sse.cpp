#include "engine/serve/sse.hpp"

#include <cerrno>

#include <fmt/format.h>

#include "engine/serve/request.hpp"

namespace ordeal::serve {
namespace {

constexpr std::size_t kPiece = 256u << 10;
// run_started holds the experiment file, 256 KiB, where each byte may become six ("\u0001").
constexpr std::size_t kLongestLine = 4u << 20;

std::optional<std::string_view> between(std::string_view text, std::string_view before, char end) {
  const std::size_t at = text.find(before);
  if (at == text.npos) return std::nullopt;
  const std::string_view rest = text.substr(at + before.size());
  const std::size_t stop = rest.find(end);
  if (stop == rest.npos) return std::nullopt;
  return rest.substr(0, stop);
}

}  // namespace

std::optional<EventHead> head_of_event(std::string_view line) {
  // {"v":1,"seq":12,"run":"r-1121-0140-7f3a","t_us":10420000,"kind":"step","data":{...
  constexpr std::size_t kHeadLength = 200;
  if (!line.starts_with("{\"v\":")) return std::nullopt;
  const std::string_view head = line.substr(0, kHeadLength);
  const auto seq = between(head, "\"seq\":", ',');
  const auto kind = between(head, "\"kind\":\"", '"');
  if (!seq || !kind) return std::nullopt;
  const auto number = whole_number(*seq);
  if (!number || *number == 0) return std::nullopt;
  return EventHead{*number, std::string(*kind)};
}

std::string to_frames(std::string_view lines, Resume& resume) {
  std::string out;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const auto head = head_of_event(line);
    if (!head) continue;
    resume.ended = resume.ended || head->kind == "run_ended";
    if (head->seq <= resume.after) continue;
    resume.after = head->seq;
    out += fmt::format("id: {}\ndata: {}\n\n", head->seq, line);
  }
  return out;
}

std::string own_frame(std::string_view name, std::string_view data) {
  return fmt::format("event: {}\ndata: {}\n\n", name, data);
}

Result<std::string> GrowingFile::take() {
  if (!file_) {
    file_.reset(std::fopen(path_.c_str(), "re"));
    if (!file_ && errno == ENOENT) return std::string();
    if (!file_) return Error::system(errno, "open " + path_);
  }
  std::clearerr(file_.get());
  std::string piece(kPiece, '\0');
  const std::size_t size = std::fread(piece.data(), 1, piece.size(), file_.get());
  if (size == 0 && std::ferror(file_.get()) != 0) return Error::system(errno, "read " + path_);
  piece.resize(size);
  const std::size_t last = piece.rfind('\n');
  if (last == piece.npos) {
    rest_ += piece;
    if (rest_.size() > kLongestLine) return Error(Code::invalid, path_ + ": a line without an end");
    return std::string();
  }
  std::string out = std::move(rest_) + piece.substr(0, last + 1);
  rest_ = piece.substr(last + 1);
  return out;
}

}  // namespace ordeal::serve
