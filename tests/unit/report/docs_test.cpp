// docs/reference/events.md says every kind and member of the event stream, and none that is not.
#include <set>

#include <boost/mp11.hpp>

#include "golden.hpp"

#include "engine/model/event.hpp"

namespace ordeal::report {
namespace {

std::string page() {
  return read_all(std::string(ORDEAL_SOURCE_DIR) + "/docs/reference/events.md");
}

// The names in the first column of the tables between this heading and the next.
std::set<std::string> members_below(const std::string& heading) {
  std::istringstream lines(page());
  std::set<std::string> names;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) inside = line == heading;
    if (!inside || !line.starts_with("| `")) continue;
    names.insert(line.substr(3, line.find('`', 3) - 3));
  }
  return names;
}

template <class T>
std::set<std::string> members_of() {
  std::set<std::string> names;
  using Members = boost::describe::describe_members<T, boost::describe::mod_public>;
  boost::mp11::mp_for_each<Members>([&](auto member) { names.insert(member.name); });
  return names;
}

TEST(EventsPage, DescribesEveryKindAndMemberAndNoOther) {
  std::set<std::string> kinds;
  using Kinds = boost::mp11::mp_rename<model::EventData, boost::mp11::mp_list>;
  boost::mp11::mp_for_each<boost::mp11::mp_transform<std::type_identity, Kinds>>([&](auto type) {
    using Kind = typename decltype(type)::type;
    kinds.insert(Kind::kKind);
    std::string heading = "## `";  // in steps: GCC 12 warns of the sum of all three
    heading.append(Kind::kKind).append("`");
    EXPECT_EQ(members_below(heading), members_of<Kind>()) << Kind::kKind;
  });
  std::set<std::string> described;
  std::istringstream lines(page());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## `")) described.insert(line.substr(4, line.size() - 5));
  }
  EXPECT_EQ(described, kinds);
}

TEST(EventsPage, DescribesTheObjectsInside) {
  EXPECT_EQ(members_below("### ConditionInfo"), members_of<model::ConditionInfo>());
  EXPECT_EQ(members_below("### Place"), members_of<model::Place>());
  EXPECT_EQ(members_below("### SliInfo"), members_of<model::SliInfo>());
  EXPECT_EQ(members_below("### PlannedStep"), members_of<model::PlannedStep>());
  EXPECT_EQ(members_below("### PlannedHost"), members_of<model::PlannedHost>());
  EXPECT_EQ(members_below("### PickedTarget"), members_of<model::PickedTarget>());
  EXPECT_EQ(members_below("### ResidueItem"), members_of<model::ResidueItem>());
  EXPECT_EQ(members_below("### Verdict"), members_of<model::Verdict>());
}

TEST(ExitCodesPage, NamesEveryCode) {
  const std::string text =
      read_all(std::string(ORDEAL_SOURCE_DIR) + "/docs/reference/exit-codes.md");
  for (int code = 0; code <= 10; ++code) {
    const std::string name = model::to_string(static_cast<model::Exit>(code));
    EXPECT_NE(text.find(fmt::format("| {} | `{}` |", code, name)), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace ordeal::report
