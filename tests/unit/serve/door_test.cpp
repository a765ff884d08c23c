#include <gtest/gtest.h>

#include "engine/serve/door.hpp"

namespace ordeal::serve {
namespace {

const std::string kToken(64, 'a');
const std::string kBearer = "Bearer " + kToken;

Door tcp_door() {
  Door out;
  out.hosts = names_of("127.0.0.1", 8420);
  out.token = kToken;
  return out;
}

Claims get() {
  Claims out;
  out.method = "GET";
  out.authorization = kBearer;
  out.host = "127.0.0.1:8420";
  return out;
}

// The text must outlive the claims.
Claims post(std::string_view authorization) {
  Claims out = get();
  out.method = "POST";
  out.content_type = "application/json";
  out.authorization = authorization;
  return out;
}

int status(const Claims& claims, const Door& door) {
  const auto away = turned_away(claims, door);
  return away ? away->status : 200;
}

TEST(Door, ReadingNeedsAKnownHost) {
  EXPECT_EQ(status(get(), tcp_door()), 200);
  for (const char* host : {"localhost:8420", "LOCALHOST:8420"}) {
    Claims claims = get();
    claims.host = host;
    EXPECT_EQ(status(claims, tcp_door()), 200) << host;
  }
  for (const char* host : {"evil.example", "127.0.0.1", "127.0.0.1:80", "", "localhost.:8420",
                           "127.0.0.1:8420.evil.example"}) {
    Claims claims = get();
    claims.host = host;
    EXPECT_EQ(status(claims, tcp_door()), 403) << host;
  }
}

TEST(Door, ReadingNeedsTheTokenToo) {
  Claims claims = get();
  EXPECT_EQ(status(claims, tcp_door()), 200);
  for (const std::string& text : {std::string(), kBearer + "a", std::string("Bearer ")}) {
    claims.authorization = text;
    EXPECT_EQ(status(claims, tcp_door()), 401) << text;
  }
  claims.authorization = {};
  claims.open = true;  // a file of the page
  EXPECT_EQ(status(claims, tcp_door()), 200);
  claims.host = "evil.example";
  EXPECT_EQ(status(claims, tcp_door()), 403);
  Claims change = post("");
  change.open = true;
  EXPECT_EQ(status(change, tcp_door()), 401);
}

TEST(Door, ChangesNeedTheToken) {
  EXPECT_EQ(status(post(kBearer), tcp_door()), 200);
  const std::string lower_case = "bearer " + kToken;
  EXPECT_EQ(status(post(lower_case), tcp_door()), 200);
  std::string wrong = kBearer;
  wrong.back() = 'b';
  for (const std::string& text :
       {std::string(), wrong, "Basic " + kToken, kToken, kBearer.substr(0, kBearer.size() - 1),
        kBearer + "a", std::string("Bearer "), std::string("Bearer")}) {
    EXPECT_EQ(status(post(text), tcp_door()), 401) << text;
  }
  Claims lift = post("");
  lift.method = "DELETE";
  EXPECT_EQ(status(lift, tcp_door()), 401);
  lift.authorization = kBearer;
  EXPECT_EQ(status(lift, tcp_door()), 200);
}

TEST(Door, WithoutATokenNobodyChangesAnything) {
  Door door = tcp_door();
  door.token.clear();
  EXPECT_EQ(status(post("Bearer "), door), 401);
  EXPECT_EQ(status(post("Bearer x"), door), 401);
}

TEST(Door, PagesOfOthersAreTurnedAway) {
  Claims own = post(kBearer);
  own.origin = "http://127.0.0.1:8420";
  own.fetch_site = "same-origin";
  EXPECT_EQ(status(own, tcp_door()), 200);
  for (const char* origin : {"http://evil.example", "null", "http://127.0.0.1:9999",
                             "http://127.0.0.1:8420.evil.example", "file://", "127.0.0.1:8420"}) {
    Claims claims = post(kBearer);
    claims.origin = origin;
    EXPECT_EQ(status(claims, tcp_door()), 403) << origin;
    claims.method = "GET";
    EXPECT_EQ(status(claims, tcp_door()), 403) << origin;
  }
  Claims hidden = get();
  hidden.fetch_site = "cross-site";
  hidden.fetch_mode = "no-cors";
  EXPECT_EQ(status(hidden, tcp_door()), 403);
  hidden.fetch_mode = "navigate";  // a link that a person followed
  EXPECT_EQ(status(hidden, tcp_door()), 200);
  Claims form = post(kBearer);
  form.fetch_site = "same-site";
  form.fetch_mode = "navigate";
  EXPECT_EQ(status(form, tcp_door()), 403);
}

TEST(Door, OnlyKnownMethodsAndBodies) {
  for (const char* method : {"PUT", "OPTIONS", "TRACE", "get", ""}) {
    Claims claims = get();
    claims.method = method;
    EXPECT_EQ(status(claims, tcp_door()), 405) << method;
  }
  for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "",
                           "multipart/form-data; boundary=application/json"}) {
    Claims claims = post(kBearer);
    claims.content_type = type;
    EXPECT_EQ(status(claims, tcp_door()), 415) << type;
  }
  Claims yaml = post(kBearer);
  yaml.content_type = "Application/YAML; charset=utf-8";
  EXPECT_EQ(status(yaml, tcp_door()), 200);
}

TEST(Door, ARepeatedHeaderIsRefused) {
  Claims claims = get();
  claims.repeated = true;
  EXPECT_EQ(status(claims, tcp_door()), 400);
}

TEST(Door, TheUnixSocketNeedsNoTokenButNoBrowserComesThroughIt) {
  Door door;
  door.trusted = true;
  Claims claims = post("");
  claims.host = "whatever";
  EXPECT_EQ(status(claims, door), 200);
  claims.origin = "http://whatever";
  EXPECT_EQ(status(claims, door), 403);
}

TEST(Door, KnowsTheNamesOfItsAddress) {
  EXPECT_EQ(names_of("127.0.0.1", 8420),
            (std::vector<std::string>{"127.0.0.1:8420", "localhost:8420"}));
  EXPECT_EQ(names_of("::1", 80),
            (std::vector<std::string>{"[::1]:80", "[::1]", "localhost:80", "localhost"}));
}

TEST(Secret, IsTheSameOnlyWhole) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abc", "abd"));
  EXPECT_FALSE(same_secret("abc", "ab"));
  EXPECT_FALSE(same_secret("", "a"));
}

}  // namespace
}  // namespace ordeal::serve
