// Parts of the HTML report.
#pragma once

#include <string>
#include <string_view>

#include "engine/report/layout.hpp"
#include "engine/report/report.hpp"

namespace ordeal::report {

extern const std::string_view kHtmlStyle;
extern const std::string_view kHtmlScript;

// A page up to its content: title, policy, style. With a script the page may run that one only.
std::string html_begin(const std::string& title, const std::string& style,
                       std::string_view script = {});
const char* class_of(Tone tone);
std::string card(const char* classes, std::string_view title, const std::string& body);
// What is left on which host and how to undo it; empty when nothing is.
std::string html_alarm(const Report& report);

// The charts over one time axis: phases, one chart for each SLI, one row of fault bars for each
// host. All of it SVG without style attributes, so that the page can forbid inline styles.
std::string html_charts(const Report& report);

// What the shared cursor reads out: JSON for the page's own script, safe inside <script>.
std::string html_chart_data(const Report& report);

}  // namespace ordeal::report
