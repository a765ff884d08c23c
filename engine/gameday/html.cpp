// The combined report as one page: agenda with verdicts first, then each experiment with its
// charts, the timeline, and the draft of the postmortem.
#include <fmt/format.h>

#include "engine/base/text.hpp"
#include "engine/gameday/report.hpp"
#include "engine/report/escape.hpp"
#include "engine/report/html.hpp"
#include "engine/report/layout.hpp"

namespace ordeal::gameday {
namespace {

using report::card;
using report::class_of;
using report::xml;

constexpr std::string_view kStyle = R"css(
.agenda td:first-child { width: 28px; color: var(--muted); }
.agenda td.at { width: 76px; color: var(--muted); white-space: nowrap; }
.agenda td.out { white-space: nowrap; } .agenda tr.wait td { color: var(--muted); }
.agenda .word { font-size: 12.5px; }
.briefing { white-space: pre-wrap; margin-top: 10px; max-width: 88ch; }
.t .note { background: var(--warn-bg); color: var(--text); font-weight: 600; }
.t td.day { color: var(--text); font-weight: 600; } .t .who { color: var(--muted);
  font-weight: 400; }
.one { margin-top: 26px; } .one > h3 { font-size: 18px; margin: 0; display: flex; gap: 10px;
  align-items: center; overflow-wrap: anywhere; }
.one > p { margin: 4px 0 0; color: var(--muted); }
.one .card { margin-top: 10px; }
.draft h3 { font-size: 15px; margin: 16px 0 4px; } .draft ul { margin: 0; padding-left: 20px; }
.draft li { margin: 3px 0; overflow-wrap: anywhere; }
.draft td { height: 34px; border: 1px solid var(--rule); padding: 6px 10px; }
.draft td:first-child { width: 60%; }
)css";

report::Tone tone_of_day(const Day& day) {
  if (!day.closed) return report::Tone::warning;
  switch (day.worst()) {
    case model::Exit::upheld:
      return day.end.reason.empty() ? report::Tone::good : report::Tone::warning;
    case model::Exit::inconclusive:
    case model::Exit::interrupted:
    case model::Exit::refused:
    case model::Exit::unsteady: return report::Tone::warning;
    default: return report::Tone::bad;
  }
}

std::string head(const Day& day, const Runs& runs) {
  std::string out = fmt::format(
      "<header>\n<div class=\"headline\"><span class=\"badge {}\">{}</span><h1>{}</h1>"
      "<span class=\"when\">{}{}</span></div>\n",
      class_of(tone_of_day(day)), xml(headline(day)), xml(printable(day.about.title)),
      day.opened ? date_of(*day.opened) : "",
      day.opened ? ", " + format_duration((day.latest - *day.opened) / 1s * 1s) : "");
  out += "<p class=\"hypothesis\">" + xml(summary(day, runs)) + "</p>\n";
  if (day.closed && !day.end.reason.empty()) {
    out += "<p class=\"hypothesis\">Stopped: " + xml(printable(day.end.reason, 2000)) + "</p>\n";
  }
  out += "<div class=\"meta\">";
  for (const auto& [role, person] : day.about.roles) {
    out += fmt::format("<span>{} {}</span>", xml(printable(role)),
                       person.empty() ? "–" : xml(printable(person)));
  }
  out += fmt::format("<span>opened by {}</span><span>game day {}</span><span>{}</span></div>\n",
                     xml(printable(day.about.by)), xml(printable(day.about.id)),
                     xml(printable(day.about.file)));
  if (!day.about.briefing.empty()) {
    out += "<p class=\"briefing\">" + xml(day.about.briefing) + "</p>\n";
  }
  return out + "</header>\n";
}

std::string agenda(const std::vector<Row>& all) {
  std::string out =
      "<div class=\"scroll\"><table class=\"agenda\"><thead><tr><th></th><th>at (UTC)</th>"
      "<th>item</th><th>outcome</th><th class=\"n\">detected after</th>"
      "<th class=\"n\">recovered after</th></tr></thead><tbody>\n";
  for (const Row& row : all) {
    std::string outcome = xml(row.outcome);
    if (row.run != nullptr) {
      outcome = fmt::format("<span class=\"word {}\">{}</span>",
                            class_of(report::tone_of(*row.run)), outcome);
    } else if (!row.by.empty()) {
      outcome += "<span class=\"sub\">" + xml(row.by) + "</span>";
    }
    const bool reached = !row.when.empty();
    out += fmt::format("<tr{}><td>{}</td><td class=\"at\">{}</td><td>",
                       reached ? "" : " class=\"wait\"", row.number, row.when);
    out += row.run != nullptr ? fmt::format("<a href=\"#item{}\">{}</a>", row.number, xml(row.what))
                              : xml(row.what);
    if (!row.reason.empty()) out += "<span class=\"sub\">" + xml(row.reason) + "</span>";
    out += fmt::format(
        "</td><td class=\"out\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}"
        "</td></tr>\n",
        outcome, xml(row.detected), xml(row.recovered));
  }
  return card("", "Agenda", out + "</tbody></table></div>\n");
}

// Several charts stand on this page: what is referred to by id must differ.
std::string own_ids(std::string svg, std::size_t number) {
  const std::string own = fmt::format("r{}-", number);
  for (const std::string& what : {std::string("id=\""), std::string("url(#")}) {
    for (std::size_t at = svg.find(what); at != svg.npos; at = svg.find(what, at)) {
      at += what.size();
      const bool shared = svg.compare(at, 5, "hatch") == 0;  // the style sheet names it
      if (!shared) svg.insert(at, own);
    }
  }
  const std::string focus = " tabindex=\"0\"";
  const std::size_t found = svg.find(focus);
  return found == svg.npos ? svg : svg.erase(found, focus.size());
}

std::string conditions(const report::Report& run) {
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th></th><th>condition</th><th class=\"n\">before"
      "</th><th class=\"n\">during</th><th class=\"n\">after</th><th class=\"n\">bound</th></tr>"
      "</thead><tbody>\n";
  for (const report::ConditionRow* row : report::table_rows(run)) {
    const report::Cells one = report::cells(run, *row);
    out += fmt::format("<tr><td><span class=\"word {}\">{}</span></td><td>{}</td>",
                       class_of(report::tone_of_word(one.word)),
                       one.word == "????" ? "unknown" : xml(one.word),
                       report::breakable(row->measure));
    for (const std::string* cell : {&one.before, &one.during, &one.after, &one.bound}) {
      out += "<td class=\"n\">" + xml(*cell) + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string experiment(const Row& row) {
  const report::Report& run = *row.run;
  std::string out = fmt::format(
      "<section class=\"one\" id=\"item{}\"><h3><span class=\"badge {}\">{}</span>{}</h3>\n"
      "<p>{} · {} · run {}</p>\n",
      row.number, class_of(report::tone_of(run)), xml(report::headline_word(run)),
      xml(printable(run.about.name)), row.when, format_duration(run.length() / 1s * 1s),
      xml(printable(run.about.run)));
  if (!run.about.hypothesis.empty()) {
    out += "<p>“" + xml(printable(run.about.hypothesis, 2000)) + "”</p>\n";
  }
  out += "<section class=\"card why\"><h2>Why</h2><p>" +
         xml(report::reason(run).empty() ? report::second_line(run) : report::reason(run)) +
         "</p></section>\n";
  out += own_ids(report::html_charts(run), row.number);
  if (!report::table_rows(run).empty() && run.phase(model::Phase::baseline) != nullptr) {
    out += card("", "Conditions", conditions(run));
  }
  out += report::html_alarm(run);
  return out + "</section>\n";
}

std::string moments(const Day& day, const Runs& runs) {
  std::string out = "<table class=\"t\"><tbody>\n";
  for (const Moment& moment : timeline(day, runs)) {
    out +=
        fmt::format("<tr><td>{}</td><td class=\"{}\">{}{}</td></tr>\n", clock_of(moment.wall),
                    xml(moment.level), xml(moment.text),
                    moment.by.empty() ? "" : " <span class=\"who\">" + xml(moment.by) + "</span>");
  }
  return card("long", "Timeline (UTC)", out + "</tbody></table>\n");
}

std::string draft(const Day& day, const Runs& runs) {
  std::string out = "<p>Blameless: it is about what the system made easy or hard.</p>\n";
  for (const Chapter& chapter : postmortem(day, runs)) {
    out += "<h3>" + xml(chapter.title) + "</h3>\n<ul>\n";
    for (const std::string& item : chapter.items) out += "<li>" + xml(item) + "</li>\n";
    out += "</ul>\n";
  }
  out +=
      "<h3>Action items</h3>\n<table><thead><tr><th>what</th><th>owner</th><th>until</th></tr>"
      "</thead><tbody>\n";
  for (int i = 0; i < 3; ++i) out += "<tr><td></td><td></td><td></td></tr>\n";
  return card("long draft", "Postmortem (draft)", out + "</tbody></table>\n");
}

}  // namespace

std::string to_html(const Day& day, const Runs& runs) {
  const std::string style = std::string(report::kHtmlStyle) + std::string(kStyle);
  std::string out = report::html_begin(headline(day) + ": " + printable(day.about.title), style);
  const std::vector<Row> all = rows(day, runs);
  out += head(day, runs) + agenda(all);
  for (const Row& row : all) {
    if (row.run != nullptr) out += experiment(row);
  }
  out += moments(day, runs) + draft(day, runs);
  out += "<footer>ordeal " + xml(day.about.version) +
         ". Made from the day's record and its runs' events alone.</footer>\n";
  return out + "</main>\n</body>\n</html>\n";
}

}  // namespace ordeal::gameday
