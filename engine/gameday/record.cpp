#include "engine/gameday/record.hpp"

#include <algorithm>

#include "engine/base/json.hpp"
#include "engine/base/text.hpp"

namespace ordeal::gameday {

std::string to_json(const Entry& entry) {
  boost::json::object data = json::encode(entry.data).as_object();
  boost::json::object line;
  line["v"] = 1;
  line["wall_us"] = entry.wall.time_since_epoch().count();
  line["kind"] = data["kind"];
  data.erase("kind");
  line["data"] = std::move(data);
  return json::dump(line);
}

Result<Entry> entry_from_json(std::string_view text) {
  TRY(auto value, json::parse(text));
  auto* line = value.if_object();
  const bool whole = line != nullptr && line->contains("kind") && line->contains("wall_us") &&
                     line->contains("data") && line->at("data").is_object();
  if (!whole) return Error(Code::invalid, "not an entry of a game day");
  boost::json::object data = line->at("data").get_object();
  data["kind"] = line->at("kind");
  TRY(auto wall, json::decode<Duration>(line->at("wall_us"), json::Unknown::ignored, "wall_us"));
  TRY(auto decoded, json::decode<EntryData>(data, json::Unknown::ignored, "data"));
  Entry entry;
  entry.wall = WallTime(wall);
  entry.data = std::move(decoded);
  return entry;
}

std::string text_of(const model::AgendaItem& item) {
  if (const auto* checkpoint = std::get_if<model::Checkpoint>(&item)) {
    return "checkpoint: " + checkpoint->text;
  }
  if (const auto* run = std::get_if<model::AgendaRun>(&item)) {
    return "run " + run->file.substr(run->file.rfind('/') + 1);
  }
  return "break of " + format_duration(std::get<model::Break>(item).length);
}

model::Exit exit_of(const std::string& exit_name) {
  return model::exit_named(exit_name).value_or(model::Exit::error);
}

std::size_t Day::next() const {
  const auto found = std::find_if(items.begin(), items.end(),
                                  [](const ItemRow& row) { return row.state != ItemState::done; });
  return static_cast<std::size_t>(found - items.begin());
}

model::Exit Day::worst() const {
  model::Exit out = model::Exit::upheld;
  for (const ItemRow& row : items) {
    if (!row.end.exit_name.empty()) out = model::worse_of(out, exit_of(row.end.exit_name));
  }
  return out;
}

void Day::reopen() {
  if (closed && end.reason.empty()) return;  // its agenda is done
  const std::size_t after = next();
  if (after == 0 || (after < items.size() && items[after].state == ItemState::active)) return;
  ItemRow& last = items[after - 1];
  // Who skipped it was asked already.
  const bool cut_off =
      last.end.exit_name == to_string(model::Exit::interrupted) && last.end.by.empty();
  if (!cut_off) return;
  last.state = ItemState::active;
  last.ended.reset();
  last.end = ItemEnded();
}

ItemRow* Fold::row(std::int64_t item) {
  if (item < 0 || static_cast<std::size_t>(item) >= day_.items.size()) return nullptr;
  return &day_.items[static_cast<std::size_t>(item)];
}

void Fold::say(std::string text, std::string by) {
  day_.timeline.push_back({day_.latest, false, std::move(text), std::move(by)});
}

void Fold::apply(const Entry& entry) {
  day_.latest = entry.wall;
  std::visit([this](const auto& data) { on(data); }, entry.data);
}

void Fold::on(const Opened& entry) {
  if (day_.opened) return;
  day_.about = entry;
  day_.opened = day_.latest;
  day_.items.resize(entry.agenda.size());
  say("opened", entry.by);
}

void Fold::on(const ItemBegun& entry) {
  ItemRow* found = row(entry.item);
  if (found == nullptr) return;
  found->state = ItemState::active;
  found->begun = day_.latest;
  found->run = entry.run;
  const model::AgendaItem& item = day_.about.agenda[static_cast<std::size_t>(entry.item)];
  say(text_of(item) + (entry.run.empty() ? "" : " (" + entry.run + ")"));
}

void Fold::on(const ItemEnded& entry) {
  ItemRow* found = row(entry.item);
  if (found == nullptr) return;
  found->state = ItemState::done;
  found->ended = day_.latest;
  found->end = entry;
  const auto& item = day_.about.agenda[static_cast<std::size_t>(entry.item)];
  if (!entry.exit_name.empty()) {
    say(entry.exit_name + (entry.reason.empty() ? "" : ": " + entry.reason));
  } else if (std::holds_alternative<model::Checkpoint>(item)) {
    const std::string what = entry.by.empty()       ? "nobody answered in time"
                             : entry.answer.empty() ? "goes on"
                                                    : "answer: " + entry.answer;
    say(what, entry.by);
  } else {
    say(entry.by.empty() ? "the break is over" : "the break was ended", entry.by);
  }
}

void Fold::on(const Asked& entry) { say("asked: " + entry.text); }

void Fold::on(const Answered& entry) {
  say("answer: " + (entry.answer.empty() ? "go on" : entry.answer), entry.by);
}

void Fold::on(const NoteTaken& entry) {
  day_.timeline.push_back({day_.latest, true, entry.text, entry.by});
}

void Fold::on(const Resumed& entry) {
  day_.reopen();
  day_.closed.reset();
  say("resumed", entry.by);
}

void Fold::on(const Closed& entry) {
  day_.closed = day_.latest;
  day_.end = entry;
  say(entry.reason.empty() ? "closed: the agenda is done" : "stopped: " + entry.reason, entry.by);
}

}  // namespace ordeal::gameday
