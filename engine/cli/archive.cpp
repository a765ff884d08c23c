#include "engine/cli/archive.hpp"

#include "engine/os/linux/caller.hpp"
#include "engine/report/render.hpp"
#include "engine/store/store.hpp"

namespace ordeal::cli {

Archive::Archive(std::string history, std::string run)
    : history_(std::move(history)), run_(std::move(run)),
      folder_(store::run_folder(history_, run_)) {}

Archive::~Archive() {
  if (events_ != nullptr) std::fclose(events_);
}

void Archive::keep(Result<void> written) {
  if (written.has_error()) problems_.push_back(written.error().message());
}

void Archive::open() {
  constexpr unsigned kPrivate = 0700;
  keep(os::make_directories(folder_, kPrivate));
  if (!problems_.empty()) return;
  events_ = std::fopen(events_path().c_str(), "we");
  if (events_ == nullptr) keep(Error::system(errno, events_path()));
}

void Archive::add(const model::Event& event) {
  if (events_ == nullptr && problems_.empty()) open();
  if (events_ == nullptr) return;
  const std::string line = model::to_json(event, run_) + "\n";
  // A stream that ends in the middle of a run must still say how far it came.
  const bool written =
      std::fwrite(line.data(), 1, line.size(), events_) == line.size() && std::fflush(events_) == 0;
  if (written) return;
  keep(Error::system(errno, events_path()));
  std::fclose(events_);
  events_ = nullptr;
}

std::vector<std::string> Archive::finish(const report::Report& report) {
  if (events_ == nullptr) {
    report_problem_ = problems_.empty() ? "nothing was recorded" : problems_.front();
    return problems_;
  }
  std::fclose(events_);
  events_ = nullptr;
  const auto page = os::replace_file(report_path(), report::to_html(report));
  if (page.has_error()) report_problem_ = page.error().message();
  keep(page);
  keep(os::replace_file(folder_ + "/report.json", report::to_json(report)));
  keep(os::replace_file(folder_ + "/experiment.yaml", report.about.effective));
  auto database = store::Store::open(store::database_path(history_));
  if (database.has_error()) {
    keep(database.error());
  } else {
    keep(database.value().add(report, folder_));
  }
  return problems_;
}

}  // namespace ordeal::cli
