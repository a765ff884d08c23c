// What a run leaves in the caller's history: a folder with its events, its file and its reports,
// and a line in the database. Failing to write never stops a run; it is said instead.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/model/event.hpp"
#include "engine/report/report.hpp"

namespace ordeal::cli {

class Archive {
 public:
  Archive(std::string history, std::string run);
  ~Archive();

  const std::string& folder() const { return folder_; }
  std::string report_path() const { return folder_ + "/report.html"; }
  // Why there is no file at report_path(), once finish() was called; empty: it is there.
  const std::string& report_problem() const { return report_problem_; }
  std::string events_path() const { return folder_ + "/events.jsonl"; }

  void add(const model::Event& event);
  // Writes the reports and the database line. The problems of all writing so far, one a line.
  std::vector<std::string> finish(const report::Report& report);

 private:
  void open();
  void keep(Result<void> written);

  std::string history_;
  std::string run_;
  std::string folder_;
  std::FILE* events_ = nullptr;
  std::vector<std::string> problems_;
  std::string report_problem_;
};

}  // namespace ordeal::cli
