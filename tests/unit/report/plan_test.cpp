#include "golden.hpp"
#include "streams.hpp"

#include "engine/report/render.hpp"

namespace ordeal::report {
namespace {

std::vector<model::Event> plan_of(const std::string& story) {
  std::vector<model::Event> events;
  for (const auto& event : stream_of(story)) {
    events.push_back(event);
    if (std::holds_alternative<model::PlanMade>(event.data)) break;
  }
  return events;
}

TEST(PlanText, IsAsStored) { expect_golden("plan.txt", to_plan_text(fold(plan_of("upheld")), {})); }

TEST(PlanText, SaysWhatCannotBeUndoneOrWasNotChecked) {
  auto events = plan_of("upheld");
  auto& made = std::get<model::PlanMade>(events.back().data);
  made.steps[1].undoable = false;
  made.unchecked = {"targets of method.0: not checked (needs root)"};
  const std::string text = to_plan_text(fold(events), {});
  EXPECT_NE(text.find("NOT UNDOABLE"), std::string::npos);
  EXPECT_NE(text.find("NOT FULLY CHECKED"), std::string::npos);
  EXPECT_EQ(text.find("WOULD RUN"), std::string::npos);
}

TEST(PlanText, SaysWhichSecondsCount) {
  auto events = plan_of("upheld");
  auto& made = std::get<model::PlanMade>(events.back().data);
  const std::string words = "`during` counts ";
  EXPECT_EQ(to_plan_text(fold(events), {}).find(words), std::string::npos);
  made.steps.resize(1);  // 4 s, and then a wait of 16 s
  made.steps[0].duration = 4s;
  const std::string text = to_plan_text(fold(events), {});
  EXPECT_NE(text.find(words + "4s of the method's 20s: +0:00 to +0:04; not the waits"), text.npos)
      << text;
}

TEST(PlanText, SaysWhichConditionsAnotherFileBrought) {
  auto events = plan_of("upheld");
  auto& run = std::get<model::RunStarted>(events.front().data);
  for (auto& condition : run.conditions) {
    EXPECT_EQ(condition.place.file, run.file);
    if (condition.list != model::ConditionList::abort_if) continue;
    condition.place.file = "experiments/services/svc.yaml";
    condition.place.line = 7;
  }
  const std::string text = to_plan_text(fold(events), {});
  EXPECT_NE(text.find("abort if      shop.success < 80% over 3s (from svc.yaml:7)\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("steady state  shop.success >= 99%\n"), std::string::npos) << text;
}

TEST(PlanText, SaysWhyItWouldBeRefused) {
  const std::string text = to_plan_text(fold(stream_of("refused")), {});
  EXPECT_NE(text.find("WOULD BE REFUSED"), std::string::npos);
  EXPECT_NE(text.find("halted since 01:12"), std::string::npos);
}

}  // namespace
}  // namespace ordeal::report
