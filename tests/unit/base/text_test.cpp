#include "engine/base/text.hpp"

#include <gtest/gtest.h>

namespace ordeal {
namespace {

TEST(Printable, KeepsPlainTextAndOtherScripts) {
  EXPECT_EQ(printable("p95 <= 250ms"), "p95 <= 250ms");
  EXPECT_EQ(printable("größer 日本 🙂"), "größer 日本 🙂");
}

TEST(Printable, EscapesWhatMovesTheCursorOrEndsTheLine) {
  EXPECT_EQ(printable("a\x1b[2Jb\r\n"), "a\\x1b[2Jb\\x0d\\x0a");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\u{9b}2J");                                     // C1 control sequence introducer
  EXPECT_EQ(printable("a\xe2\x80\xaetxt"), "a\\u{202e}txt");  // right-to-left override
  EXPECT_EQ(printable("a\xe2\x80\xa8"), "a\\u{2028}");        // a line end for JavaScript
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("\xff\xc0\xaf"), "\\xff\\xc0\\xaf");
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");           // cut short
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // surrogate
  EXPECT_EQ(printable("\xef\xbf\xbf"), "\\u{ffff}");        // in no XML file
}

TEST(Printable, CutsBetweenCharacters) { EXPECT_EQ(printable("ääääää", 4), "ää..."); }

}  // namespace
}  // namespace ordeal
