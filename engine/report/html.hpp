// Parts of the HTML report.
#pragma once

#include <string>
#include <string_view>

#include "engine/report/report.hpp"

namespace ordeal::report {

extern const std::string_view kHtmlStyle;
extern const std::string_view kHtmlScript;

// The charts over one time axis: phases, one chart for each SLI, one row of fault bars for each
// host. All of it SVG without style attributes, so that the page can forbid inline styles.
std::string html_charts(const Report& report);

// What the shared cursor reads out: JSON for the page's own script, safe inside <script>.
std::string html_chart_data(const Report& report);

}  // namespace ordeal::report
