// Every key of a game day file, and what people write instead.
#include "engine/spec/gameday.hpp"

namespace ordeal::spec {

const std::vector<Table>& gameday_tables() {
  static const std::vector<Table> kTables = {
      {"gameday_file",
       "a game day file",
       {
           {"version", Shape::version, true, "Of the file format: 1."},
           {"gameday", Shape::text, true, "Short name: letters, digits and - _ . alone."},
           {"title", Shape::text, false, "A line for people."},
           {"briefing", Shape::text, false, "Goal, bridge, stop word: shown when it begins."},
           {"roles", Shape::texts, false, "Who is needed; filled in when it begins."},
           {"inventory", Shape::text, false, "The hosts, for every experiment of the day."},
           {"service", Shape::text, false, "A service file whose keys every experiment gets."},
           {"abort_if", Shape::conditions, false, "For the whole day, with each one's own."},
           {"agenda", Shape::table_list, true, "What happens, in this order.", "agenda"},
       }},
      {"agenda",
       "an item of the agenda",
       {
           {"checkpoint", Shape::text_or_table, false, "Waits for a person.", "checkpoint"},
           {"run", Shape::text, false, "An experiment file, relative to this file."},
           {"vars", Shape::value_map, false, "Of a run: variables of the experiment."},
           {"after", Shape::value_map, false, "Of a run: what follows which exit."},
           {"break", Shape::duration, false, "Waits so long."},
       }},
      {"checkpoint",
       "`checkpoint`",
       {
           {"ask", Shape::text, true, "What people are asked or told."},
           {"answers", Shape::texts, false, "One of these is the answer; absent: anything."},
           {"timeout", Shape::duration, false, "Waits no longer; absent: for ever."},
           {"on_timeout", Shape::choice, false, "What happens then: stop.", "stop|continue"},
       }},
  };
  return kTables;
}

const Table& gameday_table(std::string_view name) { return table_in(gameday_tables(), name); }

const std::vector<Hint>& gameday_hints() {
  static const std::vector<Hint> kHints = {
      // Not there yet.
      {"gameday_file", "notify", "",
       "`notify` is not there yet; the report is a file that can be sent"},
      {"gameday_file", "during", "",
       "`during` is what an experiment promises; for the whole day there is `abort_if`"},
      // Other names for what is there.
      {"gameday_file", "name", "gameday", ""},
      {"gameday_file", "experiments", "agenda", ""},
      {"gameday_file", "steps", "agenda", ""},
      {"gameday_file", "items", "agenda", ""},
      {"gameday_file", "description", "briefing", ""},
      {"gameday_file", "hosts", "inventory", ""},
      {"gameday_file", "aborts", "abort_if", ""},
      {"agenda", "experiment", "run", ""},
      {"agenda", "file", "run", ""},
      {"agenda", "pause", "break", ""},
      {"agenda", "wait", "break", ""},
      {"agenda", "variables", "vars", ""},
      {"agenda", "ask", "checkpoint", ""},
      {"agenda", "then", "after", ""},
      {"checkpoint", "text", "ask", ""},
      {"checkpoint", "question", "ask", ""},
      {"checkpoint", "options", "answers", ""},
      {"checkpoint", "within", "timeout", ""},
  };
  return kHints;
}

}  // namespace ordeal::spec
