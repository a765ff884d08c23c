// A game day as its file says it: what is run in which order, when people are asked, what follows
// each verdict.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/describe.hpp>

#include "engine/base/units.hpp"
#include "engine/model/place.hpp"

namespace ordeal::model {

// What follows a run that ended so. A host that is not clean always stops the day.
enum class After { go_on, ask, stop };
BOOST_DESCRIBE_ENUM(After, go_on, ask, stop)

// Waits for a person.
struct Checkpoint {
  static constexpr const char* kKind = "checkpoint";
  std::string text;
  std::vector<std::string> answers;  // none: anything, also nothing
  std::optional<Duration> timeout;   // none: for ever
  After on_timeout = After::stop;    // never ask
};
BOOST_DESCRIBE_STRUCT(Checkpoint, (), (text, answers, timeout, on_timeout))

struct AgendaRun {
  static constexpr const char* kKind = "run";
  std::string file;  // the experiment's
  std::map<std::string, std::string> vars;
  std::map<std::string, After> after;  // by the name of the exit; absent: default_after()
  Place place;                         // where the file is named
};
BOOST_DESCRIBE_STRUCT(AgendaRun, (), (file, vars, after))

struct Break {
  static constexpr const char* kKind = "break";
  Duration length{};
};
BOOST_DESCRIBE_STRUCT(Break, (), (length))

using AgendaItem = std::variant<Checkpoint, AgendaRun, Break>;

// A condition as text, with where it stands: it is read once more with each experiment's SLIs.
struct PlacedText {
  std::string text;
  Place place;
  int text_column = 0;  // of its first character when it stands in the file as here; else 0
};

struct Gameday {
  std::string name;
  std::string title;
  std::string briefing;
  std::vector<std::string> roles;
  std::string inventory;             // path, or empty
  std::string service;               // path, or empty
  std::vector<PlacedText> abort_if;  // for the whole day
  std::vector<AgendaItem> agenda;
  std::string file;    // as given on the command line
  std::string sha256;  // of the bytes of the file
};

// Only what was upheld goes on by itself.
After default_after(const std::string& exit_name);

}  // namespace ordeal::model
