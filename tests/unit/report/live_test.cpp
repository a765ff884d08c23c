// The running screen at moments that matter, as a person would see it.
#include "golden.hpp"
#include "streams.hpp"

#include "engine/report/layout.hpp"
#include "engine/report/live.hpp"

namespace ordeal::report {
namespace {

// The report as it was at `until`.
Report report_at(const std::string& story, Duration until) {
  Fold fold;
  for (const auto& event : stored_events(story)) {
    if (event.t > until) break;
    fold.apply(event);
  }
  return fold.report();
}

std::string screen(const std::string& story, Duration now, int height = 24) {
  const auto lines = LiveView({}).render(report_at(story, now), now, 100, height);
  EXPECT_LE(lines.size(), static_cast<std::size_t>(height));
  std::string text;
  for (const auto& line : lines) {
    EXPECT_LE(width_of(line), 100u) << line;
    text += line + "\n";
  }
  return text;
}

TEST(Live, ShowsEachPhaseAsStored) {
  std::string all;
  all += "---- baseline\n" + screen("violated", 6s);
  all += "---- fault\n" + screen("violated", 25s);
  all += "---- abort decided\n" + screen("dirty", 19204ms);
  all += "---- an undo failed\n" + screen("dirty", 19207ms);
  all += "---- recovery\n" + screen("violated", 33s);
  expect_golden("live.txt", all);
}

TEST(Live, SaysThatNothingIsTouchedBeforeTheFirstInjection) {
  EXPECT_NE(screen("upheld", 6s).find("nothing has been touched yet"), std::string::npos);
  EXPECT_EQ(screen("upheld", 16s).find("nothing has been touched yet"), std::string::npos);
}

TEST(Live, KeepsWhatMattersOnALowScreen) {
  for (const int height : {24, 16, 12, 8}) {
    const std::string text = screen("violated", 25s, height);
    EXPECT_NE(text.find("ctrl-C"), std::string::npos) << height;
    EXPECT_NE(text.find("FAULT"), std::string::npos) << height;
  }
  EXPECT_NE(screen("violated", 25s, 16).find("shop.success"), std::string::npos);
}

TEST(Live, ColoursAddToWordsAndNeverReplaceThem) {
  const Report report = report_at("violated", 25s);
  Style color;
  color.color = true;
  const auto plain = LiveView({}).render(report, 25s, 100, 24);
  const auto painted = LiveView(color).render(report, 25s, 100, 24);
  ASSERT_EQ(plain.size(), painted.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    std::string stripped;
    for (std::size_t at = 0; at < painted[i].size(); ++at) {
      if (painted[i][at] == '\x1b')
        at = painted[i].find('m', at);
      else
        stripped.push_back(painted[i][at]);
    }
    EXPECT_EQ(stripped, plain[i]);
  }
}

TEST(Layout, CutsPadsAndWrapsByCharacters) {
  EXPECT_EQ(cut("größer", 4), "grö~");
  EXPECT_EQ(pad("größer", 8), "größer  ");
  EXPECT_EQ(spread("left", "right", 12), "left   right");
  EXPECT_EQ(wrap(" a  bb ccc dddd", 8, 2), (std::vector<std::string>{" a  bb", "  ccc", "  dddd"}));
  EXPECT_EQ(wrap("", 8, 2).size(), 0u);
}

TEST(Words, NumbersNeverRoundAcrossWhatTheyMean) {
  EXPECT_EQ(format_value(99.97, "%"), "99.97%");
  EXPECT_EQ(format_value(99.96, "%"), "99.96%");
  EXPECT_EQ(format_value(100, "%"), "100.0%");
  EXPECT_EQ(format_value(99.99999, "%"), "99.999%");
  EXPECT_EQ(format_value(0.0132, "s"), "13.2ms");
  EXPECT_EQ(format_value(0, "s"), "0s");
  EXPECT_EQ(format_value(90, "s"), "1m30s");
  EXPECT_EQ(format_value(1536, "B"), "1.5 KiB");
  EXPECT_EQ(format_value(12, ""), "12");
  EXPECT_EQ(format_at(59960ms), "+0:59.9");
  EXPECT_EQ(format_at(3723s, 0), "+1:02:03");
}

TEST(Live, AMeasureMayPickItsHosts) {
  model::RunStarted started;
  started.conditions.resize(2);
  started.conditions[0].text = "host(zone=a).memory_available < 5%";
  started.conditions[1].text = "front.up";
  model::Event event;
  event.data = started;
  Fold fold;
  fold.apply(event);
  EXPECT_EQ(fold.report().conditions[0].measure, "host(zone=a).memory_available");
  EXPECT_EQ(fold.report().conditions[0].limit, "< 5%");
  EXPECT_EQ(fold.report().conditions[1].measure, "front.up");
  EXPECT_EQ(fold.report().conditions[1].limit, "");
}

TEST(Words, MeasuresAreSplitAtTheRightDot) {
  EXPECT_EQ(split_measure("shop.p99.9").aggregate, "p99.9");
  EXPECT_EQ(split_measure("host(zone=b).cpu.max").sli, "host");
  EXPECT_EQ(split_measure("host(zone=b).cpu.max").aggregate, "cpu");
}

}  // namespace
}  // namespace ordeal::report
