// A run's events.jsonl as server-sent events, whole and in order, also while it is being written.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace ordeal::serve {

// What an event line says at its very begin (docs/reference/events.md): no need to read the rest.
struct EventHead {
  std::int64_t seq = 0;
  std::string kind;
};
std::optional<EventHead> head_of_event(std::string_view line);

// Lines to frames: `id:` is the event's seq, `data:` the line as it is. Events up to `after` are
// left out; `after` moves along. `ended`: the run's last event was among them.
struct Resume {
  std::int64_t after = 0;
  bool ended = false;
};
std::string to_frames(std::string_view lines, Resume& resume);

// A frame of our own, which has no id and so never moves what a browser resumes from.
std::string own_frame(std::string_view name, std::string_view data);

// Reads a file that grows. A last line without its newline is kept back until it is whole: its
// writer is still at it, or died in it.
class GrowingFile {
 public:
  explicit GrowingFile(std::string path) : path_(std::move(path)) {}

  // Whole lines that came since the last call, at most about a quarter of a megabyte; empty when
  // there are none yet, or no file yet. Errors: it cannot be read; a line without an end.
  Result<std::string> take();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string rest_;
};

}  // namespace ordeal::serve
