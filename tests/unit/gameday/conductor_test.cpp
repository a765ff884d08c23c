// A game day in virtual time: what is run, whom it waits for, what follows each verdict, and what a
// later process makes of an earlier one's record.
#include <gtest/gtest.h>

#include "engine/base/text.hpp"
#include "engine/gameday/conductor.hpp"
#include "tests/sim/host.hpp"

namespace ordeal::gameday {
namespace {

using model::After;
using model::AgendaRun;
using model::Break;
using model::Checkpoint;
using model::Exit;

Checkpoint checkpoint(std::string text) {
  Checkpoint out;
  out.text = std::move(text);
  return out;
}

AgendaRun run(std::string file, std::map<std::string, After> after = {}) {
  AgendaRun out;
  out.file = std::move(file);
  out.after = std::move(after);
  return out;
}

// A day with people who say things at moments; runs take a minute and end as `ends` says.
struct Bed {
  sim::World world{1};
  sim::Machine machine{world};
  sim::Node& node{machine.start("front")};
  Opened opened;
  Fold fold;
  std::vector<std::string> stored;                       // the record, as lines
  std::map<std::string, std::vector<std::string>> ends;  // by file: one for each time it runs
  std::vector<std::string> ran;
  std::optional<Conductor> conductor;
  std::optional<Exit> exit;
  std::string interrupted;

  explicit Bed(std::vector<model::AgendaItem> agenda) {
    opened.id = "g-1";
    opened.title = "Rehearsal";
    opened.agenda = std::move(agenda);
  }

  void record(EntryData data) {
    Entry entry;
    entry.wall = world.wall();
    entry.data = std::move(data);
    stored.push_back(to_json(entry));
    fold.apply(entry);
  }

  Task<RunResult> one(std::size_t item) {
    const std::string file = std::get<AgendaRun>(opened.agenda[item]).file;
    ran.push_back(file);
    os::Event stop;
    conductor->set_interrupt([this, &stop](std::string why) {
      interrupted = std::move(why);
      stop.notify();
    });
    os::Clock& clock = node.host().clock();
    const BootTime until = clock.now() + 60s;
    const bool stopped = co_await stop.wait_until(clock, until);
    RunResult out;
    auto& left = ends[file];
    out.exit_name = stopped ? "interrupted" : left.empty() ? "upheld" : left.front();
    if (!left.empty()) left.erase(left.begin());
    out.reason = out.exit_name == "upheld" ? "" : "because";
    co_return out;
  }

  Task<void> lead() { exit = co_await conductor->conduct(); }

  void start() {
    if (stored.empty()) record(opened);
    Surroundings around{node.host().clock(), [this](EntryData data) { record(std::move(data)); },
                        [this](std::size_t item) { return one(item); }, [] {}};
    std::vector<std::string> runs(opened.agenda.size(), "r-1");
    conductor.emplace(fold.day(), std::move(runs), std::move(around));
    node.spawn(lead());
    world.run_for(1s);
  }
  const std::optional<Question>& asked() const { return conductor->question(); }
  // The day of the record alone, as another process reads it.
  Day reread() const {
    Fold again;
    for (const std::string& line : stored) {
      const auto entry = entry_from_json(line);
      EXPECT_TRUE(entry.has_value()) << line;
      if (entry.has_value()) again.apply(entry.value());
    }
    return again.day();
  }
};

TEST(Gameday, RunsItsAgendaInOrderAndWaitsForPeople) {
  Bed bed({checkpoint("ready?"), run("a.yaml"), Break{600s}, run("b.yaml"), checkpoint("done?")});
  bed.start();
  ASSERT_TRUE(bed.asked());
  bed.world.run_for(std::chrono::hours(5));  // nobody hurries
  EXPECT_TRUE(bed.ran.empty());
  EXPECT_TRUE(bed.conductor->go_on("continue", "kim").has_value());
  bed.world.run_for(61s);
  EXPECT_EQ(bed.ran, std::vector<std::string>{"a.yaml"});
  EXPECT_TRUE(bed.asked()->is_break);
  bed.world.run_for(590s);
  EXPECT_EQ(bed.ran.size(), 1u);
  bed.world.run_for(80s);
  EXPECT_EQ(bed.ran.size(), 2u);
  bed.world.run_for(60s);
  EXPECT_EQ(bed.asked()->text, "done?");
  EXPECT_TRUE(bed.conductor->go_on("Continue", "kim").has_value());
  bed.world.run_for(1s);
  ASSERT_TRUE(bed.exit);
  EXPECT_EQ(*bed.exit, Exit::upheld);
  const Day day = bed.reread();
  EXPECT_EQ(day.next(), day.items.size());
  EXPECT_EQ(day.items[4].end.by, "kim");
  EXPECT_EQ(day.items[0].end.by, "kim");
  EXPECT_TRUE(day.closed);
}

TEST(Gameday, TakesOnlyTheAnswersOfACheckpoint) {
  Checkpoint page = checkpoint("Did the page come?");
  page.answers = {"yes", "no"};
  Bed bed({page, run("a.yaml")});
  bed.start();
  const auto wrong = bed.conductor->go_on("maybe", "kim");
  ASSERT_TRUE(wrong.has_error());
  EXPECT_NE(wrong.error().message().find("answer yes or no"), std::string::npos);
  EXPECT_TRUE(bed.conductor->go_on("", "kim").has_error()) << "Enter alone is no answer";
  EXPECT_TRUE(bed.conductor->go_on("NO", "kim").has_value());
  bed.world.run_for(1s);
  EXPECT_EQ(bed.reread().items[0].end.answer, "no");
  EXPECT_TRUE(bed.conductor->go_on("yes", "kim").has_error()) << "nothing is asked any more";
}

// A person's silence, question mark or refusal never starts what breaks a service.
TEST(Gameday, GoesOnByTheOfferedWordAlone) {
  for (const std::string word : {"", " ", "?", "ok", "continue please", "y", "n", "wait", "yess"}) {
    Bed bed({checkpoint("ready?"), run("a.yaml")});
    bed.start();
    EXPECT_TRUE(bed.conductor->heard(word, "kim").has_error()) << word;
    bed.world.run_for(600s);
    EXPECT_TRUE(bed.asked()) << word;
    EXPECT_TRUE(bed.ran.empty()) << word;
    EXPECT_TRUE(bed.conductor->heard(" YES ", "kim").has_value());
    bed.world.run_for(61s);
    EXPECT_EQ(bed.ran.size(), 1u);
  }
}

TEST(Gameday, NoAndStopEndTheDayAfterAVerdict) {
  for (const std::string word : {"no", "NO", "stop", "stop it hurts"}) {
    Bed bed({run("a.yaml"), run("b.yaml")});
    bed.ends = {{"a.yaml", {"violated"}}};
    bed.start();
    bed.world.run_for(70s);
    ASSERT_TRUE(bed.asked());
    EXPECT_TRUE(bed.conductor->heard(word, "kim").has_value());
    bed.world.run_for(100s);
    ASSERT_TRUE(bed.exit) << word;
    EXPECT_EQ(bed.ran.size(), 1u) << word;
    EXPECT_EQ(bed.reread().end.by, "kim");
  }
}

TEST(Gameday, ABreakEndsByItsWordOrByTheClock) {
  Bed bed({Break{600s}, run("a.yaml")});
  bed.start();
  for (const std::string word : {"?", "", "no", "yes", "how long?"}) {
    EXPECT_TRUE(bed.conductor->heard(word, "kim").has_error()) << word;
  }
  bed.world.run_for(500s);
  EXPECT_TRUE(bed.ran.empty());
  EXPECT_TRUE(bed.conductor->heard("continue", "kim").has_value());
  bed.world.run_for(61s);
  EXPECT_EQ(bed.ran.size(), 1u);
}

// 10,000 lines of whatever people and cats type: no step without the word that was offered for it.
TEST(Gameday, ALineOfNoiseNeverStartsAStep) {
  const std::vector<std::string> parts = {"yes",  "no", "stop",   "continue", "note", "again",
                                          "skip", "go", "on",     "ok",       "?",    " ",
                                          "\t",   "y",  "\x1b[A", "nö",       "0",    "start"};
  std::uint64_t state = 88172645463325252u;
  const auto next = [&](std::size_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<std::size_t>(state % below);
  };
  Checkpoint page = checkpoint("Did the page come?");
  page.answers = {"again", "skip"};
  std::optional<Bed> bed;
  std::size_t started = 0;
  for (int line = 0; line < 10000; ++line) {
    if (!bed || bed->exit) {
      bed.emplace(std::vector<model::AgendaItem>{checkpoint("ready?"), run("a.yaml"), page,
                                                 Break{std::chrono::hours(9999)}, run("b.yaml")});
      bed->ends = {{"a.yaml", {"violated"}}};
      bed->start();
    }
    std::string text;
    for (std::size_t i = next(3); i > 0; --i) text += parts[next(parts.size())];
    const std::size_t before = bed->ran.size();
    const bool plain = bed->asked() && bed->asked()->answers.empty();
    const bool rests = bed->asked() && bed->asked()->is_break;
    ignore(bed->conductor->heard(text, "cat"), "most lines are nothing");
    bed->world.run_for(1s);
    std::string word = trimmed(text);
    const bool offered = plain && (word == "continue" || (!rests && word == "yes"));
    if (bed->ran.size() > before) {
      EXPECT_TRUE(offered) << text;
      ++started;
      bed->world.run_for(60s);
    }
  }
  EXPECT_GT(started, 10u) << "the lines have the word now and then";
}

TEST(Gameday, EndsAWaitAsTheFileSays) {
  for (const After rule : {After::stop, After::go_on}) {
    Checkpoint page = checkpoint("Did the page come?");
    page.timeout = 900s;
    page.on_timeout = rule;
    Bed bed({page, run("a.yaml")});
    bed.start();
    bed.world.run_for(890s);
    EXPECT_TRUE(bed.asked());
    bed.world.run_for(120s);
    ASSERT_TRUE(bed.exit);
    EXPECT_EQ(*bed.exit, rule == After::stop ? Exit::interrupted : Exit::upheld);
    EXPECT_EQ(bed.ran.size(), rule == After::stop ? 0u : 1u);
    EXPECT_EQ(bed.reread().end.reason.empty(), rule == After::go_on);
  }
}

TEST(Gameday, FollowsTheRuleOfEachVerdict) {
  Bed bed({run("a.yaml", {{"violated", After::go_on}}), run("b.yaml"), run("c.yaml"),
           run("d.yaml", {{"aborted", After::stop}}), run("e.yaml")});
  bed.ends = {{"a.yaml", {"violated"}}, {"b.yaml", {"inconclusive"}}, {"d.yaml", {"aborted"}}};
  bed.start();
  bed.world.run_for(130s);
  ASSERT_TRUE(bed.asked()) << "inconclusive asks by itself";
  EXPECT_NE(bed.asked()->text.find("inconclusive: because. Go on?"), std::string::npos);
  EXPECT_EQ(bed.ran, (std::vector<std::string>{"a.yaml", "b.yaml"}));
  EXPECT_TRUE(bed.conductor->go_on("continue", "kim").has_value());
  bed.world.run_for(200s);
  ASSERT_TRUE(bed.exit);
  EXPECT_EQ(bed.ran.size(), 4u) << "stopped after d";
  EXPECT_EQ(*bed.exit, Exit::interrupted);
  EXPECT_EQ(bed.reread().worst(), Exit::aborted);
}

TEST(Gameday, AlwaysStopsWhenAHostIsNotClean) {
  Bed bed({run("a.yaml"), run("b.yaml")});
  bed.ends = {{"a.yaml", {"dirty"}}};
  bed.start();
  bed.world.run_for(100s);
  ASSERT_TRUE(bed.exit);
  EXPECT_EQ(*bed.exit, Exit::dirty);
  EXPECT_EQ(bed.ran.size(), 1u);
}

TEST(Gameday, AsksNothingAfterTheLastRun) {
  Bed bed({run("a.yaml")});
  bed.ends = {{"a.yaml", {"violated"}}};
  bed.start();
  bed.world.run_for(100s);
  ASSERT_TRUE(bed.exit);
  EXPECT_EQ(*bed.exit, Exit::violated);
}

TEST(Gameday, StopsARunThatGoesOn) {
  Bed bed({run("a.yaml"), run("b.yaml")});
  bed.start();
  bed.world.run_for(20s);
  bed.conductor->note("the pager is silent", "kim");
  bed.conductor->stop("a real incident", "kim");
  bed.world.run_for(5s);
  ASSERT_TRUE(bed.exit);
  EXPECT_EQ(*bed.exit, Exit::interrupted);
  EXPECT_EQ(bed.interrupted, "the game day was stopped: a real incident");
  const Day day = bed.reread();
  EXPECT_EQ(day.items[0].end.exit_name, "interrupted");
  EXPECT_EQ(day.items[1].state, ItemState::pending);
  EXPECT_EQ(day.end.reason, "a real incident");
  const auto note = std::find_if(day.timeline.begin(), day.timeline.end(),
                                 [](const Line& line) { return line.note; });
  ASSERT_NE(note, day.timeline.end());
  EXPECT_EQ(note->text, "the pager is silent");
}

// Process death at any moment: what a second process does with the record of the first.
TEST(Gameday, GoesOnWhereAnEarlierProcessDied) {
  for (const bool again : {true, false}) {
    Bed bed({checkpoint("ready?"), run("a.yaml"), run("b.yaml")});
    bed.start();
    EXPECT_TRUE(bed.conductor->go_on("continue", "kim").has_value());
    bed.world.run_for(20s);  // in the middle of a
    bed.node.kill("kill -9");
    bed.world.run_for(1s);

    Bed later(bed.opened.agenda);
    later.stored = bed.stored;
    for (const std::string& line : later.stored) {
      later.fold.apply(entry_from_json(line).value());
    }
    EXPECT_EQ(later.fold.day().next(), 1u);
    later.record(Resumed{"kim"});
    later.start();
    ASSERT_TRUE(later.asked());
    EXPECT_NE(later.asked()->text.find("run a.yaml was cut off. Run it again?"), std::string::npos);
    EXPECT_TRUE(later.conductor->go_on(again ? "again" : "skip", "kim").has_value());
    later.world.run_for(200s);
    ASSERT_TRUE(later.exit);
    const std::vector<std::string> both = {"a.yaml", "b.yaml"};
    EXPECT_EQ(later.ran, again ? both : std::vector<std::string>{"b.yaml"});
    EXPECT_EQ(*later.exit, again ? Exit::upheld : Exit::interrupted);
  }
}

TEST(Gameday, TakesUpADayThatWasStopped) {
  Bed bed({run("a.yaml"), checkpoint("more?"), run("b.yaml")});
  bed.start();
  bed.world.run_for(61s);
  bed.conductor->stop("lunch", "kim");
  bed.world.run_for(1s);
  ASSERT_TRUE(bed.exit);
  EXPECT_TRUE(bed.reread().closed);

  Bed later(bed.opened.agenda);
  later.stored = bed.stored;
  for (const std::string& line : later.stored) later.fold.apply(entry_from_json(line).value());
  later.record(Resumed{"kim"});
  EXPECT_FALSE(later.fold.day().closed);
  later.start();
  EXPECT_EQ(later.asked()->text, "more?");
  EXPECT_TRUE(later.conductor->go_on("continue", "kim").has_value());
  later.world.run_for(100s);
  EXPECT_EQ(later.exit, Exit::upheld);
  EXPECT_EQ(later.ran, std::vector<std::string>{"b.yaml"});
}

// The run that `stop` cut off is offered again, and counts only when it is skipped.
TEST(Gameday, OffersAgainWhatAStopCutOff) {
  for (const bool again : {true, false}) {
    Bed bed({run("a.yaml"), run("b.yaml")});
    bed.start();
    bed.world.run_for(90s);  // in the middle of b, the last one
    bed.conductor->stop("a real incident", "kim");
    bed.world.run_for(5s);
    ASSERT_TRUE(bed.exit);
    EXPECT_EQ(bed.reread().worst(), Exit::interrupted);

    Bed later(bed.opened.agenda);
    later.stored = bed.stored;
    for (const std::string& line : later.stored) later.fold.apply(entry_from_json(line).value());
    later.record(Resumed{"kim"});
    EXPECT_EQ(later.fold.day().next(), 1u);
    EXPECT_EQ(later.fold.day().worst(), Exit::upheld);
    later.start();
    ASSERT_TRUE(later.asked());
    EXPECT_EQ(later.asked()->text, "run b.yaml was cut off. Run it again?");
    EXPECT_TRUE(later.conductor->go_on(again ? "again" : "skip", "kim").has_value());
    later.world.run_for(100s);
    ASSERT_TRUE(later.exit);
    EXPECT_EQ(*later.exit, again ? Exit::upheld : Exit::interrupted);
    EXPECT_EQ(later.ran.size(), again ? 1u : 0u);
    Day once_more = later.reread();
    once_more.reopen();
    EXPECT_EQ(once_more.next(), 2u) << "its agenda is done";
  }
}

TEST(Record, HalfALineIsNoEntry) {
  Entry entry;
  entry.data = NoteTaken{"x", "kim"};
  const std::string line = to_json(entry);
  EXPECT_TRUE(entry_from_json(line).has_value());
  EXPECT_TRUE(entry_from_json(line.substr(0, line.size() / 2)).has_error());
  EXPECT_TRUE(entry_from_json(R"({"v":1,"kind":"note","data":{}})").has_error());
}

}  // namespace
}  // namespace ordeal::gameday
