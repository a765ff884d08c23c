#include <filesystem>

#include "golden.hpp"
#include "streams.hpp"

#include "engine/report/render.hpp"

namespace ordeal::report {
namespace {

std::string html_of(const std::string& story) {
  const std::string text = to_html(fold(stored_events(story)));
  // Kept beside the build, to be looked at.
  const std::string folder = std::string(ORDEAL_BINARY_DIR) + "/reports";
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/" + story + ".html", std::ios::binary) << text;
  return text;
}

TEST(Html, EveryStorySaysItsVerdictFirst) {
  for (const auto& story : stories()) {
    const std::string text = html_of(story);
    const std::string word = headline_word(fold(stored_events(story)));
    const auto body = text.find("<body>");
    EXPECT_LT(text.find(">" + word + "</span>", body), text.find("<h1", body)) << story;
  }
}

TEST(Html, ShowsGapsAbortsAndWhatIsLeft) {
  EXPECT_NE(html_of("upheld").find("class=\"gap\""), std::string::npos);
  EXPECT_EQ(html_of("violated").find("class=\"gap\""), std::string::npos);
  EXPECT_NE(html_of("violated").find("l breach"), std::string::npos);
  EXPECT_EQ(html_of("upheld").find("l breach"), std::string::npos);
  EXPECT_NE(html_of("aborted").find("class=\"abort\""), std::string::npos);
  const std::string dirty = html_of("dirty");
  EXPECT_NE(dirty.find("kill -CONT 5120"), std::string::npos);
  EXPECT_LT(dirty.find("kill -CONT 5120"), dirty.find("id=\"charts\""));  // before all else
}

}  // namespace
}  // namespace ordeal::report
