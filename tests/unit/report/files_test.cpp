// The files that machines read: JUnit, Markdown, annotations, JSON; and what hostile text does.
#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "golden.hpp"
#include "streams.hpp"

#include "engine/report/escape.hpp"
#include "engine/report/live.hpp"
#include "engine/report/render.hpp"

namespace ordeal::report {
namespace {

std::size_t count_of(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// As engine/run tells it: only what is all put back took a time to be put back.
TEST(Streams, AnAbortIsDoneOnlyWhereTheHostIsClean) {
  std::size_t done = 0;
  for (const std::string& story : stories()) {
    bool put_back = false;
    bool clean = true;
    for (const model::Event& event : stream_of(story)) {
      put_back = put_back || std::holds_alternative<model::AbortDone>(event.data);
      const auto* checked = std::get_if<model::HostChecked>(&event.data);
      if (checked != nullptr) clean = clean && checked->clean;
    }
    EXPECT_TRUE(clean || !put_back) << story;
    done += put_back ? 1 : 0;
  }
  EXPECT_EQ(done, 3u);  // aborted, no-data, interrupted
}

class Files : public ::testing::TestWithParam<std::string> {};

TEST_P(Files, JunitIsAsStored) {
  const std::vector<Report> reports = {fold(stored_events(GetParam()))};
  expect_golden(GetParam() + ".junit.xml", to_junit(reports));
}

// A control run has no effects: its report has no errors for that.
TEST(JUnit, AControlRunMissesNoEffect) {
  for (const char* mode : {"run", "control"}) {
    std::vector<model::Event> events = stored_events("inconclusive");
    for (model::Event& event : events) {
      auto* started = std::get_if<model::RunStarted>(&event.data);
      if (started != nullptr) started->mode = mode;
    }
    const std::vector<Report> reports = {fold(events)};
    EXPECT_EQ(count_of(to_junit(reports), "EffectNotSeen"), mode == std::string("run") ? 1U : 0U);
  }
}

TEST_P(Files, MarkdownIsAsStored) {
  const Report report = fold(stored_events(GetParam()));
  std::string text = to_markdown(report);
  for (const auto& line : to_annotations(report)) text += "\n" + line;
  expect_golden(GetParam() + ".md", text + "\n");
}

TEST_P(Files, PlainLogIsAsStored) {
  PlainLog log(PlainLog::Volume::normal, "out/report.html");
  PlainLog quiet(PlainLog::Volume::quiet, "out/report.html");
  std::string text;
  std::string quiet_text;
  for (const auto& event : stored_events(GetParam())) {
    for (const auto& line : log.feed(event)) text += line + "\n";
    for (const auto& line : quiet.feed(event)) quiet_text += line + "\n";
  }
  expect_golden(GetParam() + ".log", text);
  std::istringstream lines(text);
  std::string starred;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(line.starts_with("::")) << line;
    if (line.starts_with("* ")) starred += line + "\n";
  }
  EXPECT_EQ(quiet_text, starred);
}

TEST_P(Files, AReportThatIsNotThereIsNotNamed) {
  PlainLog log(PlainLog::Volume::normal, "out/report.html");
  std::string text;
  for (const auto& event : stored_events(GetParam())) {
    if (std::holds_alternative<model::RunEnded>(event.data)) log.not_stored("the disk is full");
    for (const auto& line : log.feed(event)) text += line + "\n";
  }
  EXPECT_EQ(text.find("out/report.html"), std::string::npos) << text;
  const std::string wanted = GetParam() == "unfinished" ? "" : "Report: not stored: the disk";
  EXPECT_THAT(text, testing::HasSubstr(wanted));
  Style style;
  style.report_path = "out/report.html";
  style.report_problem = "the disk is full";
  const std::string finished = to_text(fold(stored_events(GetParam())), style);
  EXPECT_EQ(finished.find("out/report.html"), std::string::npos) << finished;
  EXPECT_THAT(finished, testing::HasSubstr(" report   not stored: the disk is full\n"));
}

TEST_P(Files, JsonAgreesWithTheVerdict) {
  const Report report = fold(stored_events(GetParam()));
  const auto json = boost::json::parse(to_json(report)).as_object();
  const auto& exit = json.at("exit").as_object();
  if (GetParam() == "unfinished") {
    EXPECT_TRUE(exit.at("code").is_null());
    return;
  }
  EXPECT_EQ(exit.at("code").as_int64(), report.verdict->exit);
  EXPECT_EQ(exit.at("name").as_string(),
            model::to_string(static_cast<model::Exit>(report.verdict->exit)));
  EXPECT_FALSE(exit.at("reason").as_string().empty());
  EXPECT_EQ(json.at("conditions").as_array().size(), report.conditions.size());
  EXPECT_EQ(json.at("series").as_array().size(), report.series.size());
}

INSTANTIATE_TEST_SUITE_P(All, Files, ::testing::ValuesIn(stories()), [](const auto& story) {
  std::string name = story.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Junit, TakesSeveralRunsAndFilesThatNeverStarted) {
  const Report upheld = fold(stored_events("upheld"));
  const std::vector<Report> reports = {upheld, upheld};
  const std::vector<NotRun> not_run = {
      {"bad.yaml", 7, "", model::Exit::invalid, "bad.yaml:7:3: unknown key 'probs' <did you mean>"},
      {"next.yaml", 0, "next", model::Exit::dirty, "not run: an earlier run left a host dirty"}};
  const std::string text = to_junit(reports, not_run);
  expect_golden("several.junit.xml", text);
  EXPECT_EQ(count_of(text, "<testsuite "), 4u);
  EXPECT_EQ(count_of(text, "name=\"run [2]\""), 1u);  // the same experiment twice: unique names
  EXPECT_NE(text.find("<error message=\"bad.yaml:7:3: unknown key &#39;probs&#39; &lt;did"),
            std::string::npos);
  EXPECT_NE(text.find("<skipped message=\"not run: an earlier run left a host dirty\">not run:"),
            std::string::npos);
}

TEST(NotRun, IsARefusedRunInEveryFormat) {
  const NotRun one{"dir/shop.yaml", 0, "shop", model::Exit::refused, "this needs --yes"};
  const auto events = to_events(one, model::RunStarted());
  const Report report = fold(events);
  EXPECT_EQ(headline_word(report), "REFUSED");
  EXPECT_EQ(report.about.file, "dir/shop.yaml");
  EXPECT_FALSE(report.events_lost);
  const auto exit = boost::json::parse(to_json(report)).as_object().at("exit").as_object();
  EXPECT_EQ(exit, (boost::json::object{
                      {"code", 3}, {"name", "refused"}, {"reason", "this needs --yes"}}));
  EXPECT_EQ(to_markdown(report),
            "## ❌ REFUSED: shop\n\n**Nothing was touched. Service not measured.**\n\n"
            "this needs --yes\n\nexit 3 (refused)\n");
  EXPECT_NE(to_html(report).find("this needs --yes"), std::string::npos);
}

TEST(NotRun, SaysWhereAFileIsInvalid) {
  const Report report =
      fold(to_events({"a/b.yaml", 7, "", model::Exit::invalid, "unknown key"}, {}));
  EXPECT_EQ(report.about.name, "b.yaml");
  EXPECT_EQ(headline_word(report), "INVALID");
  EXPECT_EQ(reason(report), "a/b.yaml:7: unknown key");
}

// What a hostile file or probe could say.
constexpr const char* kHostile =
    "<script>alert(1)</script> ]]> & \"quoted\" `x` |a| @all \x1b[2J\x01 \xff\n::error::forged";

std::vector<model::Event> hostile_stream() {
  auto events = stream_of("dirty");
  for (auto& event : events) {
    if (auto* run = std::get_if<model::RunStarted>(&event.data)) {
      run->name = run->hypothesis = run->owner = run->effective = run->user = kHostile;
      run->links = {{kHostile, "javascript:alert(1)"}, {"ok", "https://example.test/?a=1&b=\"2\""}};
      for (auto& condition : run->conditions) condition.text = kHostile;
    }
    if (auto* status = std::get_if<model::ConditionStatus>(&event.data)) {
      status->measured_text = status->bound_text = status->problem = kHostile;
    }
    if (auto* step = std::get_if<model::StepChanged>(&event.data)) step->text = kHostile;
    if (auto* samples = std::get_if<model::Samples>(&event.data)) samples->problem = kHostile;
    if (auto* host = std::get_if<model::HostChecked>(&event.data)) {
      host->residue = {{kHostile, kHostile}};
      host->changed_by_others = {kHostile};
    }
    if (auto* abort = std::get_if<model::AbortDecided>(&event.data)) abort->text = kHostile;
    if (auto* end = std::get_if<model::RunEnded>(&event.data)) end->verdict.reason = kHostile;
  }
  return events;
}

void expect_harmless(const std::string& text, bool lines_checked) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    ASSERT_TRUE(byte >= 0x20 || byte == '\n') << static_cast<int>(byte);
  }
  EXPECT_EQ(text.find("\xff"), std::string::npos);
  if (!lines_checked) return;
  EXPECT_FALSE(text.starts_with("::"));
  EXPECT_EQ(text.find("\n::"), std::string::npos);
}

TEST(Hostile, TextMovesNoCursorAndForgesNoLine) {
  const Report report = fold(hostile_stream());
  expect_harmless(to_text(report, {}), true);
  expect_harmless(to_plan_text(report, {}), true);
  PlainLog log(PlainLog::Volume::normal);
  for (const auto& event : hostile_stream()) {
    for (const auto& line : log.feed(event)) {
      expect_harmless(line, true);
      EXPECT_EQ(line.find('\n'), std::string::npos);
    }
  }
  for (const auto& line : LiveView({}).render(report, report.now, 100, 24)) {
    expect_harmless(line, true);
  }
}

TEST(Hostile, JunitStaysXml) {
  const std::vector<Report> reports = {fold(hostile_stream())};
  const std::string text = to_junit(reports);
  expect_harmless(text, false);
  EXPECT_EQ(text.find("<script"), std::string::npos);
  EXPECT_EQ(text.find("]]>"), std::string::npos);
  expect_golden("hostile.junit.xml",
                text);  // tests/unit/report/junit_check.py parses the stored files
}

TEST(Hostile, MarkdownHasNoHtmlAndNoMention) {
  const std::string text = to_markdown(fold(hostile_stream()));
  const std::string outside = text.substr(0, text.find("```sh"));
  EXPECT_EQ(outside.find("<script"), std::string::npos);
  EXPECT_EQ(outside.find("@all"), std::string::npos);
  EXPECT_EQ(count_of(text, "\n::"), 0u);
}

TEST(Hostile, AnnotationsAreOneLineEach) {
  for (const auto& line : to_annotations(fold(hostile_stream()))) {
    EXPECT_TRUE(line.starts_with("::error ")) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
  }
  EXPECT_EQ(github_property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
  EXPECT_EQ(github_data("a:b,c%\n"), "a:b,c%25%0A");
}

TEST(Hostile, HtmlRunsNothingButOurs) {
  const std::string text = to_html(fold(hostile_stream()));
  EXPECT_EQ(text.find("<script>alert"), std::string::npos);
  EXPECT_EQ(text.find("href=\"javascript"), std::string::npos);
  EXPECT_NE(text.find("default-src &#39;none&#39;"), std::string::npos);
  EXPECT_EQ(count_of(text, "</script>"), 2u);  // the data and our own script
  for (const char* outside : {"<link", "<img", "<iframe", "@import", "url(http", "src="}) {
    EXPECT_EQ(text.find(outside), std::string::npos) << outside;
  }
}

TEST(Escape, HashIsTheOneThatBrowsersCompute) {
  // printf 'alert(1)' | openssl dgst -sha256 -binary | base64
  EXPECT_EQ(csp_hash("alert(1)"), "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='");
}

}  // namespace
}  // namespace ordeal::report
