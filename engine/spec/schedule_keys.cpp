// Every key of a schedule file, and what people write instead.
#include "engine/spec/schedule.hpp"

namespace ordeal::spec {

const std::vector<Table>& schedule_tables() {
  static const std::vector<Table> kTables = {
      {"schedule_file",
       "a schedule file",
       {
           {"version", Shape::version, true, "Of the file format: 1."},
           {"schedules", Shape::table_list, true, "What runs, and when.", "schedule"},
           {"blackout", Shape::table_list, false, "Days on which nothing runs.", "blackout"},
       }},
      {"schedule",
       "a schedule",
       {
           {"name", Shape::text, true,
            "Short name: letters, digits and - _ . alone; its records bear it."},
           {"run", Shape::text, true, "The experiment file, relative to this file."},
           {"cron", Shape::text, false, "Five fields, or @daily and the like."},
           {"every", Shape::duration, false, "Every so often, counted from 1970 UTC."},
           {"at", Shape::one_or_more_texts, false, "Local times: 2026-11-27 02:00."},
           {"random", Shape::table, false, "At random moments.", "random"},
           {"time_zone", Shape::text, true, "Such as Europe/Berlin or Etc/UTC."},
           {"windows", Shape::texts, false, "When a run may begin: mon-fri 09:00-17:00."},
           {"start_deadline", Shape::duration, false, "Later than this it is missed: 10s."},
           {"concurrency", Shape::choice, false, "While its earlier run goes on: forbid.",
            "forbid|queue|replace"},
           {"leashed", Shape::boolean, false, "Plan and report only; true for random."},
           {"pause_after", Shape::value_map, false, "Names of exits, and after how many."},
           {"vars", Shape::value_map, false, "Variables of the experiment."},
           {"inventory", Shape::text, false, "The hosts of the experiment; relative to this file."},
       }},
      {"random",
       "`random`",
       {
           {"mean_time_between", Shape::duration, true, "On average, at least 10m."},
           {"min_gap", Shape::duration, false, "Never sooner after one another."},
           {"seed", Shape::integer, false, "Another one fires at other moments."},
       }},
      {"blackout",
       "`blackout`",
       {
           {"dates", Shape::text, false, "A date, or first..last."},
           {"calendar", Shape::text, false, "An .ics file, relative to this file."},
           {"reason", Shape::text, false, "Why, in a few words."},
       }},
  };
  return kTables;
}

const Table& schedule_table(std::string_view name) { return table_in(schedule_tables(), name); }

const std::vector<Hint>& schedule_hints() {
  static const std::vector<Hint> kHints = {
      // Not there yet.
      {"schedule_file", "notify", "",
       "`notify` is not there yet; `ordeal schedule log` tells how the runs ended"},
      {"schedule", "notify", "",
       "`notify` is not there yet; `ordeal schedule log` tells how the runs ended"},
      // Other names for what is there.
      {"schedule_file", "schedule", "schedules", ""},
      {"schedule_file", "blackouts", "blackout", ""},
      {"schedule", "experiment", "run", ""},
      {"schedule", "file", "run", ""},
      {"schedule", "timezone", "time_zone", ""},
      {"schedule", "tz", "time_zone", ""},
      {"schedule", "interval", "every", ""},
      {"schedule", "once", "at", ""},
      {"schedule", "window", "windows", ""},
      {"schedule", "starting_deadline", "start_deadline", ""},
      {"schedule", "startingDeadlineSeconds", "start_deadline", ""},
      {"schedule", "concurrency_policy", "concurrency", ""},
      {"schedule", "concurrencyPolicy", "concurrency", ""},
      {"schedule", "dry_run", "leashed", ""},
      {"schedule", "variables", "vars", ""},
      {"schedule", "suspend", "", "take the schedule out of the file, or write `leashed: true`"},
      {"random", "min_time_between", "min_gap", ""},
      {"random", "mean", "mean_time_between", ""},
      {"blackout", "date", "dates", ""},
      {"blackout", "days", "dates", ""},
      {"blackout", "ics", "calendar", ""},
      {"schedule", "hosts", "inventory", ""},
  };
  return kHints;
}

}  // namespace ordeal::spec
