// Is the host as it was? Compared with what was seen before the first step, and only for what the
// steps claim or what bears our mark; the rest is somebody else's.
#include <algorithm>

#include "engine/executor/journals.hpp"
#include "engine/executor/session.hpp"

namespace ordeal::executor {
namespace {

std::optional<std::set<std::string>> foreign_links(const os::Host& host) {
  std::set<std::string> out;
  const auto links = host.links().list();
  if (links.has_error()) return std::nullopt;
  for (const os::LinkInfo& link : links.value()) {
    if (!is_mark(link.name)) out.insert(link.name);
  }
  return out;
}

// What is still stopped although we promised to let it go on, or may be.
std::optional<model::ResidueItem> still_held(const os::Host& host, const model::Undo& undo) {
  model::ResidueItem item;
  item.command = model::command_of(undo);
  if (const auto* process = std::get_if<model::ResumeProcess>(&undo)) {
    const auto now = host.processes().find(process->process);
    if (now.has_error() && now.error().code() == Code::gone) return std::nullopt;
    if (now.has_value() && now.value().state != 'T') return std::nullopt;
    item.what = now.has_value() ? fmt::format("pid {} is still stopped", process->process.pid)
                                : "unknown: " + now.error().message();
    return item;
  }
  if (const auto* cgroup = std::get_if<model::ThawCgroup>(&undo)) {
    const auto now = host.cgroups().frozen(cgroup->cgroup);
    if (now.has_error() && now.error().code() == Code::gone) return std::nullopt;
    if (now.has_value() && !now.value()) return std::nullopt;
    item.what =
        now.has_value() ? cgroup->cgroup + " is still frozen" : "unknown: " + now.error().message();
    return item;
  }
  if (const auto* unit = std::get_if<model::StartUnit>(&undo)) {
    const auto runs = host.cgroups().unit_runs(unit->unit);
    if (runs.has_value() && runs.value()) return std::nullopt;
    item.what = runs.has_value() ? unit->unit + " is not running"
                                 : "unknown: whether " + unit->unit + " runs";
    return item;
  }
  return std::nullopt;
}

// What bears a mark and is nobody's. Our own is told from others' by name: we live.
void add_marks(wire::HostReport& report, const Result<std::vector<undo::Mark>>& marks,
               const Result<std::set<std::string>>& in_use, const std::set<std::string>& own) {
  if (marks.has_error() || in_use.has_error()) {
    const Error& why = marks.has_error() ? marks.error() : in_use.error();
    report.residue.push_back({"unknown: " + why.message(), "ordeal status"});
    return;
  }
  for (const undo::Mark& mark : marks.value()) {
    if (in_use.value().contains(mark.name)) continue;
    if (!mark.kept.empty() && !own.contains(mark.name)) continue;
    report.residue.push_back({mark.name + " is still there", "ordeal recover"});
  }
}

}  // namespace

void Session::take_snapshot() {
  if (snapshot_taken_) return;
  snapshot_taken_ = true;
  links_before_ = foreign_links(host_);
}

Task<void> Session::check_order(std::int64_t id) {
  wire::HostReport report = co_await check();
  outbox_.answer(id, std::move(report));
}

Task<wire::HostReport> Session::check() {
  std::vector<std::string> open;
  for (const auto& [path, step] : steps_) {
    // One whose undo is tried again just now is waited for: until then nobody knows.
    const bool undecided =
        step->state == Step::State::failed || step->state == Step::State::ready ||
        step->state == Step::State::injecting || step->state == Step::State::reverting;
    if (undecided) open.push_back(path);
  }
  if (!open.empty()) co_await revert_quietly(std::move(open), "tried again");
  co_await remove_leftovers(false);

  wire::HostReport report;
  auto in_use = marks_in_use(host_, parts_.state_directory, parts_.token.text());
  for (const auto& [path, step] : steps_) {
    const bool live = step->live();
    if (live && in_use.has_value()) in_use.value().insert(step->plan.token.mark());
    if (live) report.residue.push_back({"step " + path + " is still active", "ordeal abort"});
    if (live || step->state == Step::State::prepared) continue;
    for (std::size_t i = 0; i < step->undos.undos.size(); ++i) {
      const model::Undo& undo = step->undos.undos[i];
      auto item = still_held(host_, undo);
      if (!item && !step->undos.done[i]) {
        item.emplace();
        item->what = "not undone: " + undo::name_of(undo);
        item->command = model::command_of(undo);
        for (const wire::UndoResult& failure : step->failures) {
          if (failure.what == undo::name_of(undo)) item->what += ": " + failure.text;
        }
      }
      if (item) report.residue.push_back(std::move(*item));
    }
  }
  const auto alias = undo::alias_of(host_, parts_.state_directory);
  const auto marks = alias.has_value() ? undo::marks_on(host_, alias.value())
                                       : Result<std::vector<undo::Mark>>(Error(alias.error()));
  const std::set<std::string> own(own_marks_.begin(), own_marks_.end());
  add_marks(report, marks, in_use, own);
  // What is undone and cannot be crossed off is told as left by every later look at this host.
  if (journal_ && !co_await journal_->flush(journal::kWriteDeadline)) {
    const std::string& why = journal_->broken();
    report.residue.push_back({fmt::format("the journal cannot be written: {}",
                                          why.empty() ? "the disk does not answer" : why),
                              "ordeal recover"});
  }
  const auto links = foreign_links(host_);
  if (links && links_before_) {
    for (const std::string& link : *links) {
      if (links_before_->contains(link)) continue;
      report.changed_by_others.push_back("link " + link + " is new");
    }
    for (const std::string& link : *links_before_) {
      if (!links->contains(link)) report.changed_by_others.push_back("link " + link + " is gone");
    }
  }
  report.kept = host_.links().loaded_modules();
  report.clean = report.residue.empty();
  co_return report;
}

}  // namespace ordeal::executor
