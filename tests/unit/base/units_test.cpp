#include <gtest/gtest.h>

#include "engine/base/digest.hpp"
#include "engine/base/ids.hpp"
#include "engine/base/text.hpp"
#include "engine/base/units.hpp"

namespace ordeal {
namespace {

TEST(Duration, ReadsGoStyleOnly) {
  EXPECT_EQ(parse_duration("1m30s").value(), 90s);
  EXPECT_EQ(parse_duration("300ms").value(), 300ms);
  EXPECT_EQ(parse_duration("0.5s").value(), 500ms);
  EXPECT_EQ(parse_duration("2d").value(), 48h);
  for (const char* bad : {"", "10", "s", "30s1m", "-1s", "1 s", "PT1S", "1e3s", "1s1s"}) {
    EXPECT_TRUE(parse_duration(bad).has_error()) << bad;
  }
}

TEST(Duration, FormatsTheWayItIsRead) {
  for (const char* text : {"1m30s", "300ms", "2d", "1.5ms", "0s", "12.25s", "40us"}) {
    EXPECT_EQ(format_duration(parse_duration(text).value()), text);
  }
}

TEST(Percent, NeedsItsSign) {
  EXPECT_EQ(parse_percent("20%").value().value, 200'000);
  EXPECT_EQ(parse_percent("0.5%").value().value, 5'000);
  EXPECT_EQ(parse_percent("50").error().message(), "a percentage needs its sign: write 50%");
}

TEST(Bytes, ReadsDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_bytes("512MiB").value().value, 512ll << 20);
  EXPECT_EQ(parse_bytes("1.5GB").value().value, 1'500'000'000);
  EXPECT_TRUE(parse_bytes("10").has_error());
}

TEST(Token, IsAMarkOfFifteenCharacters) {
  const Token token = Token::from_bits(0x123456789abcdef0);
  EXPECT_EQ(token.mark().size(), 15u);
  EXPECT_TRUE(is_mark(token.mark()));
  EXPECT_FALSE(is_mark("ordeal-"));
  EXPECT_FALSE(is_mark("ordeal-ABCDEFGH"));
}

TEST(NearestWord, FindsTyposAndNothingElse) {
  const std::vector<std::string> words = {"steady_state", "during", "abort_if"};
  EXPECT_EQ(nearest_word("steady_sate", words), "steady_state");
  EXPECT_EQ(nearest_word("abort-if", words), "abort_if");
  EXPECT_EQ(nearest_word("banana", words), "");
}

TEST(Digest, MatchesPublishedVectors) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
}

}  // namespace
}  // namespace ordeal
