// The combined report, of a day with one run from the golden streams.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include <boost/json.hpp>

#include "engine/gameday/report.hpp"

namespace ordeal::gameday {
namespace {

using testing::Test;

report::Report golden(const std::string& name) {
  std::ifstream stream(std::string(ORDEAL_SOURCE_DIR) + "/tests/golden/" + name + ".jsonl");
  report::Fold fold;
  for (std::string line; std::getline(stream, line);) {
    const auto event = model::event_from_json(line);
    EXPECT_TRUE(event.has_value());
    if (event.has_value()) fold.apply(event.value());
  }
  return fold.report();
}

struct Played {
  Day day;
  Runs runs;
};

// Checkpoint, a run that ended like the golden one, a note of the operator, a run not reached.
Played play(const std::string& name, bool closed = true) {
  Opened opened;
  opened.id = "g-1121-0140-7f3a";
  opened.version = "1.0.0";
  opened.title = "Rehearsal <b>payments</b>";
  opened.briefing = "Bridge: #gd\nStop word: halt";
  opened.roles = {{"lead", "kim"}, {"scribe", ""}};
  opened.file = "gameday.yaml";
  opened.by = "kim";
  model::Checkpoint page;
  page.text = "Did the page come?";
  page.answers = {"yes", "no"};
  model::AgendaRun first;
  first.file = "experiments/first.yaml";
  model::AgendaRun second;
  second.file = "experiments/second.yaml";
  opened.agenda = {page, first, second};
  Played out;
  report::Report run = golden(name);
  Fold fold;
  WallTime wall = run.about.wall - 60s;
  const auto add = [&](EntryData data, Duration later) {
    wall += later;
    fold.apply(Entry{wall, std::move(data)});
  };
  add(opened, 0s);
  add(ItemBegun{0, ""}, 1s);
  add(ItemEnded{0, "", "", "no", "kim"}, 20s);
  add(ItemBegun{1, run.about.run}, 39s);
  add(NoteTaken{"pager silent | [x](y) <script>", "kim"}, 10s);
  const std::string exit = run.verdict ? run.verdict->exit_name : "";
  if (!exit.empty()) add(ItemEnded{1, exit, run.verdict->reason, "", ""}, 60s);
  if (closed) add(Closed{1, exit, "lunch", "kim"}, 5s);
  out.day = fold.day();
  out.runs[1] = std::move(run);
  return out;
}

TEST(GamedayReport, TellsEachItemWithItsOutcome) {
  const Played played = play("violated");
  const std::vector<Row> all = rows(played.day, played.runs);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].outcome, "no");
  EXPECT_EQ(all[1].outcome, "VIOLATED");
  EXPECT_EQ(all[1].detected, "1.6 s") << "the expect condition came true";
  EXPECT_EQ(all[1].recovered, "0.2 s");
  EXPECT_EQ(all[2].outcome, "not reached");
  EXPECT_EQ(headline(played.day), "VIOLATED");
  EXPECT_EQ(summary(played.day, played.runs),
            "1 of 2 experiments ran: 1 violated. Every host is clean.");
}

TEST(GamedayReport, PutsNotesAmongTheLinesOfTheRuns) {
  const Played played = play("violated");
  const std::vector<Moment> all = timeline(played.day, played.runs);
  const auto note = std::find_if(all.begin(), all.end(),
                                 [](const Moment& moment) { return moment.level == "note"; });
  ASSERT_NE(note, all.end());
  ASSERT_NE(note, all.begin());
  ASSERT_NE(note + 1, all.end());
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const Moment& a, const Moment& b) { return a.wall < b.wall; }));
  const auto of_run = [](const Moment& moment) { return moment.level != "day"; };
  EXPECT_TRUE(std::any_of(all.begin(), note, of_run)) << "lines of the run before it";
  EXPECT_TRUE(std::any_of(note + 1, all.end(), of_run)) << "and after it";
}

TEST(GamedayReport, DraftsAPostmortemWithoutNames) {
  const Played played = play("violated");
  const std::vector<Chapter> all = postmortem(played.day, played.runs);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].title, "What we expected");
  EXPECT_EQ(all[0].items.size(), 1u);
  EXPECT_NE(all[1].items.back().find("noted by lead: pager silent"), std::string::npos);
  const std::string surprises = all[2].items[0] + all[2].items[1];
  EXPECT_NE(surprises.find("VIOLATED"), std::string::npos);
  EXPECT_NE(surprises.find("Did the page come? no"), std::string::npos);
  for (const Chapter& chapter : all) {
    for (const std::string& item : chapter.items) EXPECT_EQ(item.find("kim"), item.npos) << item;
  }
}

TEST(GamedayReport, EscapesWhatPeopleWrote) {
  const Played played = play("violated");
  const std::string html = to_html(played.day, played.runs);
  EXPECT_EQ(html.find("<b>payments"), html.npos);
  EXPECT_EQ(html.find("<script"), html.npos) << "there is no script in this page at all";
  EXPECT_NE(html.find("Rehearsal &lt;b&gt;payments"), html.npos);
  const std::string text = to_markdown(played.day, played.runs);
  EXPECT_EQ(text.find("[x](y)"), text.npos);
}

// Charts of several runs are on one page: an id that is there twice would cut the wrong one.
TEST(GamedayReport, HasEachIdOnce) {
  Played played = play("violated");
  played.runs[2] = golden("violated");
  const std::string html = to_html(played.day, played.runs);
  std::map<std::string, int> ids;
  for (std::size_t at = html.find(" id=\""); at != html.npos; at = html.find(" id=\"", at + 1)) {
    ++ids[html.substr(at + 5, html.find('"', at + 5) - at - 5)];
  }
  EXPECT_GT(ids.size(), 4u);
  ids.erase("hatch");  // the same pattern, named by the style sheet
  for (const auto& [id, count] : ids) EXPECT_EQ(count, 1) << id;
}

TEST(GamedayReport, IsThereBeforeTheDayIsOver) {
  const Played played = play("unfinished", false);
  EXPECT_EQ(headline(played.day), "OPEN");
  EXPECT_EQ(rows(played.day, played.runs)[1].outcome, "running");
  const auto json = boost::json::parse(to_json(played.day, played.runs)).as_object();
  EXPECT_EQ(json.at("headline"), "OPEN");
  EXPECT_TRUE(json.at("closed").is_null());
  EXPECT_EQ(json.at("agenda").as_array().size(), 3u);
  EXPECT_FALSE(to_text(played.day, played.runs).empty());
}

TEST(GamedayReport, SaysThatAHostIsNotClean) {
  const Played played = play("dirty");
  EXPECT_NE(summary(played.day, played.runs).find("HOST NOT CLEAN"), std::string::npos);
  EXPECT_NE(to_html(played.day, played.runs).find("kill -CONT 5120"), std::string::npos);
  EXPECT_EQ(headline(played.day), "DIRTY");
}

}  // namespace
}  // namespace ordeal::gameday
