#include "engine/cli/report_files.hpp"

#include <cstdio>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/cli/cli.hpp"
#include "engine/cli/paths.hpp"
#include "engine/cli/running.hpp"
#include "engine/os/linux/caller.hpp"
#include "engine/os/linux/fd.hpp"

namespace ordeal::cli {
namespace {

namespace fs = std::filesystem;

std::string markdown_of(const std::vector<FileOutcome>& outcomes) {
  std::string out;
  for (const FileOutcome& one : outcomes) out += report::to_markdown(one.report) + "\n";
  return out;
}

std::string junit_of(const std::vector<FileOutcome>& outcomes) {
  std::vector<report::Report> reports;
  std::vector<report::NotRun> not_run;
  for (const FileOutcome& one : outcomes) {
    if (one.not_run) {
      not_run.push_back(*one.not_run);
    } else {
      reports.push_back(one.report);
    }
  }
  return report::to_junit(reports, not_run);
}

// In a format that holds one run.
Result<std::string> render_one(const std::string& kind, const FileOutcome& one) {
  if (kind == "json") return report::to_json(one.report);
  if (kind == "html") return report::to_html(one.report);
  if (one.not_run) return one.events;
  return os::read_file(one.events_path, 1u << 30);
}

// The experiment's name as a part of a file's name: what is no experiment has any name.
std::string name_in_path(const FileOutcome& one) {
  std::string name = one.report.about.name;
  if (one.not_run && one.not_run->name.empty()) name = fs::path(name).stem().string();
  for (char& c : name) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    if (!plain && c != '.') c = '-';
  }
  return name;
}

class Writer {
 public:
  Writer(const Options& options, const std::vector<FileOutcome>& outcomes)
      : outcomes_(outcomes), several_(options.words.size() > 1) {}

  void write(const std::string& kind, const std::string& path) {
    if (kind == "junit") return keep(path, junit_of(outcomes_));
    if (kind == "md") return keep(path, markdown_of(outcomes_));
    for (const FileOutcome& one : outcomes_) {
      keep(several_ ? path_of_one(path, one) : path, render_one(kind, one));
    }
  }

  // Who gave one path and got several files is told where they are.
  void say(bool on_stdout) const {
    for (const std::string& path : written_) {
      if (several_) fmt::print(on_stdout ? stdout : stderr, "* report: {}\n", printable(path));
    }
  }

 private:
  void keep(const std::string& path, const Result<std::string>& text) {
    const Result<void> written =
        text.has_value() ? os::replace_file(path, text.value()) : Result<void>(text.error());
    if (written.has_error()) return complain("report not written: " + written.error().message());
    written_.push_back(path);
  }

  // out/report.html is out/report-NAME.html.
  std::string path_of_one(const std::string& path, const FileOutcome& one) {
    const fs::path whole(path);
    const std::string stem = whole.stem().string() + "-" + name_in_path(one);
    fs::path out = whole;
    out.replace_filename(stem + whole.extension().string());
    for (int i = 2; !taken_.insert(out.string()).second; ++i) {
      out.replace_filename(fmt::format("{}-{}{}", stem, i, whole.extension().string()));
    }
    return out.string();
  }

  const std::vector<FileOutcome>& outcomes_;
  bool several_;
  std::set<std::string> taken_;
  std::vector<std::string> written_;
};

// GitHub reads both streams; under `--output json` stdout is for events alone.
void tell_github(const std::vector<FileOutcome>& outcomes, bool on_stdout) {
  for (const FileOutcome& one : outcomes) {
    const auto lines =
        one.not_run ? report::to_annotations(*one.not_run) : report::to_annotations(one.report);
    for (const std::string& line : lines) fmt::print(on_stdout ? stdout : stderr, "{}\n", line);
  }
  const std::string summary = environment("GITHUB_STEP_SUMMARY");
  if (summary.empty()) return;
  const std::string markdown = markdown_of(outcomes);
  if (std::FILE* file = std::fopen(summary.c_str(), "a")) {
    std::fwrite(markdown.data(), 1, markdown.size(), file);
    std::fclose(file);
  }
}

}  // namespace

FileOutcome left_out(const Options& options, const std::string& user, report::NotRun why) {
  FileOutcome out;
  model::RunStarted about = about_here(options, user);
  about.wall = wall_now();
  report::Fold fold;
  for (const model::Event& event : report::to_events(why, std::move(about))) {
    out.events += model::to_json(event, "") + "\n";
    fold.apply(event);
  }
  out.report = fold.report();
  out.not_run = std::move(why);
  if (options.output == Output::json) fmt::print("{}", out.events);
  return out;
}

void write_reports(const Options& options, const std::vector<FileOutcome>& outcomes) {
  Writer writer(options, outcomes);
  for (const auto& [kind, path] : options.reports) writer.write(kind, path);
  const bool on_stdout = options.output != Output::json;
  writer.say(on_stdout);
  if (environment("GITHUB_ACTIONS") == "true") tell_github(outcomes, on_stdout);
}

}  // namespace ordeal::cli
