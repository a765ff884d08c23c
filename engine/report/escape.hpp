// Foreign text made harmless for each kind of file. All of these make it printable first.
#pragma once

#include <string>
#include <string_view>

namespace ordeal::report {

// For XML and HTML, in text and in attributes. Control characters that XML 1.0 cannot hold are
// spelled out; line ends and tabs stay.
std::string xml(std::string_view text);

// The same for a name in HTML, which may then break after a dot or an underscore.
std::string breakable(std::string_view name);

// For one cell or line of GitHub-flavoured Markdown: no markup, no HTML, no mention.
std::string markdown(std::string_view text);

// The message of a GitHub workflow command, and the value of one of its properties.
std::string github_data(std::string_view text);
std::string github_property(std::string_view text);

// JSON that can stand inside a <script> element.
std::string script_json(std::string json);

// What a Content-Security-Policy names an inline script or style by: 'sha256-...'.
std::string csp_hash(std::string_view text);

}  // namespace ordeal::report
