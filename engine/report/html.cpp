// The HTML report: one file that needs nothing else. First screen: verdict, why, charts over the
// fault bands, table; everything else below.
#include "engine/report/html.hpp"
#include "engine/base/text.hpp"
#include "engine/report/escape.hpp"
#include "engine/report/layout.hpp"

namespace ordeal::report {
const char* class_of(Tone tone) {
  switch (tone) {
    case Tone::good: return "good";
    case Tone::bad: return "bad";
    case Tone::warning: return "warn";
    default: return "plain";
  }
}

std::string card(const char* classes, std::string_view title, const std::string& body) {
  return fmt::format("<section class=\"card {}\"><h2>{}</h2>\n{}</section>\n", classes, title,
                     body);
}

std::string html_begin(const std::string& title, const std::string& style,
                       std::string_view script) {
  std::string policy = "default-src 'none'; style-src " + csp_hash(style);
  if (!script.empty()) policy += "; script-src " + csp_hash(script);
  policy += "; base-uri 'none'; form-action 'none'";
  std::string out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  out += "<meta http-equiv=\"Content-Security-Policy\" content=\"" + xml(policy) + "\">\n";
  out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  out += "<meta name=\"referrer\" content=\"no-referrer\">\n";
  return out + "<title>" + xml(title) + "</title>\n<style>" + style +
         "</style>\n</head>\n<body>\n<main>\n";
}

std::string html_alarm(const Report& report) {
  if (!report.host_dirty()) return {};
  std::string body = "<p>Undo with <code>sudo ordeal recover</code>, or by hand:</p>\n<pre>";
  for (const auto& host : report.hosts) {
    if (host.clean) continue;
    body += "# on " + xml(printable(host.host)) + "\n";
    for (const auto& item : host.residue) {
      body += "# " + xml(printable(item.what)) + "\n" + xml(printable(item.command, 4000)) + "\n";
    }
  }
  return card("alarm", "Host not clean", body + "</pre>\n");
}

namespace {

// "checkout-survives-x" reads better as "Checkout survives x".
std::string title_of(const std::string& name) {
  std::string out = printable(name);
  if (out.find(' ') != std::string::npos) return out;
  std::replace(out.begin(), out.end(), '-', ' ');
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 32);
  return out;
}

// "21 Nov 2026 01:40 UTC"
std::string date_of(WallTime wall) {
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string text = format_wall(wall);  // 2026-11-21T01:40:00.000Z
  const auto month = static_cast<std::size_t>(std::stoi(text.substr(5, 2))) - 1;
  return fmt::format("{} {} {} {} UTC", text.substr(8, 2), kMonths.at(month), text.substr(0, 4),
                     text.substr(11, 5));
}

std::string chip(Tone tone, const std::string& text) {
  return fmt::format("<span class=\"chip {}\">{}</span>", class_of(tone), xml(text));
}

std::string chips(const Report& report) {
  if (!report.verdict) return chip(Tone::warning, "state unknown");
  std::string out;
  switch (report.verdict->host) {
    case model::HostState::clean: out += chip(Tone::good, "host clean"); break;
    case model::HostState::dirty: out += chip(Tone::bad, "HOST NOT CLEAN"); break;
    case model::HostState::untouched: out += chip(Tone::plain, "nothing touched"); break;
  }
  switch (report.verdict->service) {
    case model::ServiceState::recovered:
      out += " " + chip(Tone::good, report.recovery ? "service recovered in " +
                                                          format_seconds(report.recovery->after)
                                                    : "service recovered");
      break;
    case model::ServiceState::not_recovered:
      out += " " + chip(Tone::bad, "SERVICE NOT RECOVERED");
      break;
    case model::ServiceState::not_judged:
      out += " " + chip(Tone::plain, "service not judged");
      break;
  }
  return out;
}

// Only addresses that open a page may be links.
std::string link(const std::string& name, const std::string& url) {
  const bool safe = url.starts_with("https://") || url.starts_with("http://");
  if (!safe) return xml(printable(name)) + " " + xml(printable(url));
  return fmt::format("<a href=\"{}\" rel=\"noreferrer noopener\">{}</a>", xml(printable(url, 2000)),
                     xml(printable(name)));
}

std::string head(const Report& report) {
  const auto& about = report.about;
  std::string out = fmt::format(
      "<header>\n<div class=\"headline\"><span class=\"badge {}\">{}</span><h1 title=\"{}\">{}</h1>"
      "<span class=\"when\">{}, {}</span></div>\n",
      class_of(tone_of(report)), xml(headline_word(report)), xml(about.name),
      xml(title_of(about.name)), date_of(about.wall), format_duration(report.length() / 1s * 1s));
  if (!about.hypothesis.empty()) {
    out += "<p class=\"hypothesis\">“" + xml(printable(about.hypothesis, 2000)) + "”</p>\n";
  }
  out += "<div class=\"meta\">";
  const auto item = [&](const char* name, const std::string& text) {
    if (!text.empty()) out += fmt::format("<span>{} {}</span>", name, xml(printable(text)));
  };
  item("owner", about.owner);
  for (const auto& [name, url] : about.links) out += "<span>" + link(name, url) + "</span>";
  item("started by", about.user + (about.started_by.empty() ? "" : " (" + about.started_by + ")"));
  item("seed", about.seed);
  item("git", about.git);
  item("run", about.run);
  return out + "<span class=\"grow\"></span>" + chips(report) + "</div>\n</header>\n";
}

// "2 of 2 conditions held while 1 fault was seen to take hold. Worst: shop.success 82.0% at +0:22."
std::string held_words(const Report& report) {
  const auto rows = table_rows(report);
  if (!report.touched() || rows.empty()) return second_line(report);
  const auto held = std::count_if(rows.begin(), rows.end(), [](const ConditionRow* row) {
    return row->truth() == model::Truth::holds;
  });
  const auto seen = std::count_if(report.steps.begin(), report.steps.end(),
                                  [](const StepRow& row) { return row.seen == model::Seen::yes; });
  std::string text = fmt::format("{} of {} conditions held, ", held, rows.size());
  text += report.about.mode == "control"
              ? "in a control run: all faults with zero magnitudes."
              : fmt::format("{} of {} faults seen to take hold.", seen, report.steps.size());
  for (const ConditionRow* row : rows) {
    const std::string worst = cells(report, *row).worst;
    if (!worst.empty()) return text + " Worst second: " + row->measure + " " + worst + ".";
  }
  return text;
}

std::string why(const Report& report) {
  std::string text = reason(report);
  const bool upheld = report.verdict && report.verdict->exit == 0;
  if (upheld) text = held_words(report);
  if (text.empty()) text = second_line(report);
  std::string extra;
  if (report.events_lost) extra = " Events are missing: this report is not complete.";
  return "<section class=\"card why\"><h2>Why</h2><p>" + xml(text + extra) + "</p></section>\n";
}

std::string cell(const std::string& text) { return "<td class=\"n\">" + xml(text) + "</td>"; }

std::string word(const std::string& text) {
  return fmt::format("<span class=\"word {}\">{}</span>", class_of(tone_of_word(text)),
                     text == "????" ? "unknown" : xml(text));
}

std::string condition_table(const Report& report) {
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th></th><th>condition</th><th "
      "class=\"n\">before</th>"
      "<th class=\"n\">during</th><th class=\"n\">after</th><th class=\"n\">bound</th>"
      "<th class=\"n\">margin</th></tr></thead><tbody>\n";
  for (const ConditionRow* row : table_rows(report)) {
    const Cells one = cells(report, *row);
    const auto* status = row->deciding();
    std::string sub;
    const std::string measured = printable(row->info.text);
    if (status != nullptr && status->after) sub = "true after " + format_seconds(*status->after);
    if (!one.worst.empty()) sub = "worst " + one.worst;
    const bool unknown = status != nullptr && status->truth == model::Truth::unknown;
    if (unknown && !status->problem.empty()) {
      sub = printable(status->problem);
    }
    out += fmt::format("<tr><td>{}</td><td title=\"{}\">{}{}</td>", word(one.word), xml(measured),
                       breakable(row->measure),
                       sub.empty() ? "" : "<span class=\"sub\">" + xml(sub) + "</span>");
    out += cell(one.before) + cell(one.during) + cell(one.after) + cell(one.bound) +
           cell(one.margin) + "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

std::string effects(const Report& report) {
  std::string out;
  for (const StepRow& row : report.steps) {
    const char* seen = row.seen == model::Seen::yes  ? "seen"
                       : row.seen == model::Seen::no ? "NOT SEEN"
                                                     : "not shown";
    const Tone tone = row.seen == model::Seen::yes ? Tone::good : Tone::bad;
    out += fmt::format("<div class=\"effect\"><b>{}</b> <span class=\"word {}\">{}</span>",
                       xml(printable(row.plan.name)), class_of(tone), seen);
    const auto sub = [&](const std::string& text) {
      if (!text.empty()) out += "<span class=\"sub\">" + xml(text) + "</span>";
    };
    const std::size_t targets = row.plan.targets.size();
    const std::string all = targets > 1 ? fmt::format(" ({} targets)", targets) : "";
    sub(row.plan.summary.empty() ? "" : "asked: " + printable(row.plan.summary.front()) + all);
    sub(row.effect.empty() ? "" : "measured: " + row.effect);
    sub(row.problem);
    if (row.reverted) {
      const std::string took = row.revert_took > 0us ? " in " + format_short(row.revert_took) : "";
      sub("reverted" + took + (row.revert_text.empty() ? "" : ": " + row.revert_text));
    } else if (row.active()) {
      out += report.verdict ? "<span class=\"word bad\">NOT REVERTED</span>"
                            : "<span class=\"word bad\">revert not recorded</span>";
    }
    out += "</div>\n";
  }
  const std::size_t left = report.residue().size();
  const std::string residue = left > 0               ? fmt::format("{} left, see above", left)
                              : report.host_dirty()  ? "HOST NOT CLEAN"
                              : report.hosts.empty() ? "not checked"
                                                     : "none";
  out += "<dl><dt>residue</dt><dd>" + residue + "</dd>";
  if (report.abort && report.abort->latency) {
    out += fmt::format("<dt>{}</dt><dd>everything put back {}</dd>", stop_word(report),
                       xml(put_back_words(report)));
  }
  return out + "</dl>\n";
}

std::string safety(const Report& report) {
  std::string out =
      "<div class=\"scroll\"><table><thead><tr><th></th><th>aborts when</th>"
      "<th class=\"n\">latest</th><th class=\"n\">limit</th><th>nearest</th></tr>"
      "</thead><tbody>\n";
  for (const ConditionRow* row : abort_rows(report)) {
    const auto* status = row->deciding();
    out += "<tr><td>" + word(abort_word(report, *row)) + "</td><td>" +
           xml(printable(row->info.text)) + "</td>" +
           cell(status == nullptr ? "" : printable(status->measured_text)) +
           cell(status == nullptr ? "" : printable(status->bound_text)) + "<td>" +
           xml(status == nullptr ? "" : printable(status->nearest_text)) + "</td></tr>\n";
  }
  out += "</tbody></table></div>\n";
  if (report.about.abort_if_none) out = "<p>NONE: nothing but a person could stop this run.</p>\n";
  return card("", "Safety", out);
}

std::string timeline(const Report& report) {
  std::string out = "<table class=\"t\"><tbody>\n";
  for (const Line& line : report.timeline) {
    out += fmt::format("<tr><td>{}</td><td class=\"{}\">{}</td></tr>\n", format_at(line.at, 3),
                       xml(line.level), xml(line.text));
  }
  return card("long", "Timeline", out + "</tbody></table>\n");
}

std::string listed(const std::vector<std::string>& items, bool code) {
  std::string out;
  for (const auto& item : items) {
    const std::string text = xml(printable(item, 4000));
    out += (out.empty() ? "" : "<br>") + (code ? "<code>" + text + "</code>" : text);
  }
  return out;
}

std::string plan(const Report& report) {
  if (!report.planned) return {};
  std::string out;
  for (const auto& step : report.plan.steps) {
    out += fmt::format("<div class=\"step\"><h3>{}<small>on {}, {} from {}{}{}</small></h3><dl>",
                       xml(printable(step.name)), xml(printable(step.host)),
                       format_duration(step.duration), format_at(step.start, 0),
                       step.backend.empty() ? "" : ", by ", xml(printable(step.backend)));
    const auto entry = [&](const char* name, const std::string& html) {
      if (!html.empty()) out += fmt::format("<dt>{}</dt><dd>{}</dd>", name, html);
    };
    std::vector<std::string> targets;
    for (const auto& target : step.targets) targets.push_back(target.text);
    entry("does", listed(step.summary, false));
    entry("targets", fmt::format("{} of {} matched<br>", step.targets.size(), step.matched) +
                         listed(targets, true));
    entry("changes", listed(step.changes, false));
    entry("undo", step.undoable
                      ? listed(step.undos, true)
                      : "<span class=\"word bad\">NOT UNDOABLE</span> " + listed(step.undos, true));
    entry("warnings", listed(step.warnings, false));
    out += "</dl></div>\n";
  }
  out += "<dl class=\"step\">";
  if (!report.plan.limits.empty()) {
    out += "<dt>limits</dt><dd>" + listed(report.plan.limits, false) + "</dd>";
  }
  out += "<dt>digest</dt><dd><code>" + xml(report.plan.digest) + "</code></dd></dl>\n";
  return card("long", "Plan", out);
}

std::string samples(const Report& report) {
  std::string out = fmt::format(
      "<p>{} samples, {} without data. A second without data is hatched in the charts; "
      "nothing is interpolated.</p>\n",
      report.samples, report.missing);
  out += "<table class=\"t\"><tbody>\n";
  for (const Series& series : report.series) {
    for (const Gap& gap : series.gaps) {
      out +=
          fmt::format("<tr><td>{}</td><td>{}: no data for {}{}{}</td></tr>\n", format_at(gap.from),
                      xml(series.title()), format_seconds(gap.to - gap.from),
                      gap.why.empty() ? "" : ", ", xml(gap.why));
    }
  }
  return card("", "Samples and gaps", out + "</tbody></table>\n");
}

std::string environment(const Report& report) {
  const auto& about = report.about;
  std::string out = "<dl>";
  const auto entry = [&](const char* name, const std::string& text) {
    if (!text.empty()) {
      out += fmt::format("<dt>{}</dt><dd>{}</dd>", name, xml(printable(text, 2000)));
    }
  };
  entry("experiment", about.name);
  entry("file", about.file);
  entry("sha256", about.file_sha256);
  entry("controller", about.host);
  entry("kernel", about.kernel);
  entry("ordeal", about.version);
  entry("mode", about.mode);
  entry("started", format_wall(about.wall));
  for (const auto& [name, text] : about.labels) entry("label", name + "=" + text);
  for (const auto& tag : about.tags) entry("tag", tag);
  for (const auto& sli : about.slis) entry("SLI", sli.name + ": " + sli.kind + " " + sli.what);
  for (const auto& host : report.hosts) {
    for (const auto& text : host.kept) entry("kept", host.host + ": " + text);
    for (const auto& text : host.changed_by_others) {
      entry("changed by others", host.host + ": " + text);
    }
  }
  if (report.verdict) {
    entry("exit", fmt::format("{} ({})", report.verdict->exit, report.verdict->exit_name));
  }
  return card("", "Environment", out + "</dl>\n");
}

}  // namespace

std::string to_html(const Report& report) {
  std::string out = html_begin(headline_word(report) + ": " + printable(report.about.name),
                               std::string(kHtmlStyle), kHtmlScript);
  out += head(report) + html_alarm(report) + why(report) + html_charts(report);
  if (!table_rows(report).empty() && report.phase(model::Phase::baseline) != nullptr) {
    const std::string table = card("", "Conditions", condition_table(report));
    out += report.touched() ? "<div class=\"two\">" + table +
                                  card("", "Effect and residue", effects(report)) + "</div>\n"
                            : table;
  }
  if (report.touched()) out += safety(report);
  out += timeline(report) + plan(report);
  if (!report.series.empty()) out += samples(report);
  if (!report.about.effective.empty()) {
    out += card("long", "Effective file", "<pre>" + xml(report.about.effective) + "</pre>\n");
  }
  out += environment(report);
  out += "<footer>ordeal " + xml(report.about.version) +
         ". Made from the run's events alone: the same events give the same page.</footer>\n";
  out += "</main>\n<script type=\"application/json\" id=\"data\">" + html_chart_data(report) +
         "</script>\n<script>" + std::string(kHtmlScript) + "</script>\n</body>\n</html>\n";
  return out;
}

}  // namespace ordeal::report
