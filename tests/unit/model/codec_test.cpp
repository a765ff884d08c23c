#include <gtest/gtest.h>

#include "engine/base/json.hpp"
#include "engine/model/change.hpp"
#include "engine/model/event.hpp"

namespace ordeal::model {
namespace {

TEST(UndoCodec, RoundTripsEveryKind) {
  const std::vector<Undo> undos = {
      DeleteLink{"ordeal-abcdefgh"},
      DeleteTable{"ordeal-abcdefgh", NftFamily::inet},
      ResumeProcess{{4711, 123456789}},
      ThawCgroup{"/system.slice/x.service"},
      KillHelper{"ordeal-abcdefgh", 200ms, true},
      StartUnit{"nginx.service"},
      RunUndoCommand{Command{{"/bin/true", "it's"}, 5s}},
      ExpectProcesses{{.unit = "a.service"}, 3, 10s},
      NotUndoable{"asked for with restore: none"},
  };
  const std::string text = undos_to_json(undos);
  const auto back = undos_from_json(text);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(undos_to_json(back.value()), text);
}

TEST(UndoCodec, RefusesUnknownKindsAndMembers) {
  EXPECT_TRUE(undos_from_json(R"([{"kind":"format_disk"}])").has_error());
  EXPECT_TRUE(undos_from_json(R"([{"kind":"delete_link","link":"a","extra":1}])").has_error());
  EXPECT_TRUE(undos_from_json(R"([{"kind":"delete_link"}])").has_error());
}

TEST(EventCodec, RoundTripsAndIgnoresUnknownMembers) {
  Event event;
  event.seq = 7;
  event.t = 1500ms;
  StepChanged changed;
  changed.step = "method.0";
  changed.state = StepState::reverted;
  changed.text = "table gone";
  event.data = changed;
  const std::string line = to_json(event, "r-1");
  const auto back = event_from_json(line);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(to_json(back.value(), "r-1"), line);

  const auto newer = event_from_json(
      R"({"v":1,"seq":1,"run":"r","t_us":2,"kind":"note","data":{"level":"info","text":"x","y":1}})");
  ASSERT_TRUE(newer.has_value());
  EXPECT_EQ(std::get<Note>(newer.value().data).text, "x");
}

}  // namespace
}  // namespace ordeal::model
