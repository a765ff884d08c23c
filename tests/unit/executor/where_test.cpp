// Goal: a step with a `where` is injected only where the host says, right before, that it is meant;
// and whoever asks can tell "not this host" from "nobody knows".
#include "tests/unit/executor/bench.hpp"

namespace ordeal::executor::test {
namespace {

using wire::RefusalKind;

constexpr const char* kProgram = "/usr/bin/role";

class WhereTest : public ExecutorTest {
 protected:
  WhereTest() {
    machine_.commands[kProgram] = [this](sim::Machine&, const std::vector<std::string>& argv) {
      ++asked_;
      EXPECT_EQ(argv, (std::vector<std::string>{kProgram, "--short"}));
      return answer_;
    };
    answer_.output = "master\nof three\n";
  }

  static wire::Prepare order(const std::string& step = "method.0") {
    wire::Prepare out;
    out.request.step = step;
    out.request.name = "pause";
    out.request.fault = "test.pause";
    out.request.target.process.emplace().unit = "shop.service";
    out.request.target.where.emplace();
    out.request.target.where->exec = {kProgram, "--short"};
    out.request.target.where->stdout_pattern = "^master$";
    out.request.duration = 30s;
    return out;
  }

  static wire::Prepared prepare(Pair& pair) {
    const wire::FactBody body = pair.ask(order());
    const auto* prepared = std::get_if<wire::Prepared>(&body);
    EXPECT_NE(prepared, nullptr);
    return prepared == nullptr ? wire::Prepared{} : *prepared;
  }

  static wire::Refused refused(const wire::FactBody& body) {
    const auto* found = std::get_if<wire::Refused>(&body);
    EXPECT_NE(found, nullptr) << "it was not refused";
    return found == nullptr ? wire::Refused{} : *found;
  }

  os::CommandResult answer_;
  int asked_ = 0;
};

TEST_F(WhereTest, AMatchIsAskedForAgainAndInjected) {
  Pair pair(machine_);
  const wire::Prepared prepared = prepare(pair);
  EXPECT_EQ(prepared.plan.not_here, "");
  EXPECT_EQ(prepared.plan.changes.size(), 3u);
  EXPECT_EQ(asked_, 1);
  ASSERT_TRUE(std::holds_alternative<wire::Injected>(pair.inject(prepared)));
  EXPECT_EQ(asked_, 2);
  EXPECT_EQ(stopped("shop.service"), 3u);
  EXPECT_TRUE(std::get<wire::AllReverted>(pair.ask(wire::Revert{})).ok);
  EXPECT_EQ(machine_.snapshot(), before_);
}

TEST_F(WhereTest, AnotherAnswerIsNoErrorButNoCandidate) {
  answer_.output = "slave\nof three\n";
  Pair pair(machine_);
  const wire::Prepared prepared = prepare(pair);
  EXPECT_EQ(prepared.plan.not_here, "/usr/bin/role printed 'slave', which does not match ^master$");
  EXPECT_TRUE(prepared.plan.changes.empty());
  EXPECT_TRUE(prepared.plan.claims.empty());
  EXPECT_EQ(prepared.plan.step, "method.0");
  const wire::Refused no = refused(pair.inject(prepared));
  EXPECT_EQ(no.why, RefusalKind::gone);
  EXPECT_TRUE(no.text.starts_with("where: ")) << no.text;
  EXPECT_EQ(refused(pair.ask(wire::Ready{"method.0", prepared.digest})).why, RefusalKind::gone);
  EXPECT_EQ(machine_.snapshot(), before_);
}

TEST_F(WhereTest, ItMayBecomeOneLater) {
  answer_.output = "slave\n";
  Pair pair(machine_);
  prepare(pair);
  answer_.output = "master\n";
  ASSERT_TRUE(std::holds_alternative<wire::Injected>(pair.inject(prepare(pair))));
  EXPECT_EQ(stopped("shop.service"), 3u);
}

TEST_F(WhereTest, AnExitCodeIsAnAnswerToo) {
  answer_.exit_code = 1;
  answer_.errors = "Could not connect\nat all";
  Pair pair(machine_);
  EXPECT_EQ(prepare(pair).plan.not_here, "/usr/bin/role ended with 1: Could not connect");
}

TEST_F(WhereTest, AFailoverBeforeTheInjectionIsSeen) {
  Pair pair(machine_);
  const wire::Prepared prepared = prepare(pair);
  answer_.output = "slave\n";
  const wire::Refused no = refused(pair.inject(prepared));
  EXPECT_EQ(no.why, RefusalKind::gone);
  EXPECT_EQ(no.text, "where: /usr/bin/role printed 'slave', which does not match ^master$");
  EXPECT_EQ(stopped("shop.service"), 0u);
  EXPECT_EQ(machine_.snapshot(), before_);
  answer_.output = "master\n";
  EXPECT_TRUE(std::holds_alternative<wire::Injected>(pair.inject(prepared)))
      << "what was refused may be tried again";
}

TEST_F(WhereTest, WhatWasMadeReadyIsTakenBack) {
  Pair pair(machine_);
  const wire::Prepared prepared = prepare(pair);
  ASSERT_TRUE(
      std::holds_alternative<wire::Done>(pair.ask(wire::Ready{"method.0", prepared.digest})));
  answer_.output = "slave\n";
  EXPECT_EQ(refused(pair.inject(prepared)).why, RefusalKind::gone);
  const wire::FactBody report = pair.ask(wire::CheckHost{});
  EXPECT_TRUE(std::get<wire::HostReport>(report).clean);
  EXPECT_EQ(machine_.snapshot(), before_);
}

TEST_F(WhereTest, ThatNobodyCanTellIsAnError) {
  Pair pair(machine_);
  const wire::Prepared prepared = prepare(pair);
  answer_.timed_out = true;
  wire::Refused no = refused(pair.ask(order("method.1")));
  EXPECT_EQ(no.why, RefusalKind::timeout);
  EXPECT_EQ(no.text, "where: /usr/bin/role has not ended after 5s");
  no = refused(pair.inject(prepared));
  EXPECT_EQ(no.why, RefusalKind::timeout);
  EXPECT_EQ(stopped("shop.service"), 0u);
  machine_.commands.clear();
  no = refused(pair.ask(order("method.1")));
  EXPECT_NE(no.why, RefusalKind::gone);
  EXPECT_TRUE(no.text.starts_with("where: start /usr/bin/role")) << no.text;
}

TEST_F(WhereTest, ThePolicyOfTheHostMustAllowTheProgram) {
  machine_.disk.files["/etc/ordeal/policy.conf"].cache = "allow = *\n";
  Pair pair(machine_);
  const wire::Refused no = refused(pair.ask(order()));
  EXPECT_EQ(no.why, RefusalKind::refused);
  EXPECT_TRUE(no.text.starts_with("where: the policy of this host does not allow")) << no.text;
  EXPECT_EQ(asked_, 0);
}

// The question takes its time; the lease is for the fault.
TEST_F(WhereTest, ASlowAnswerDoesNotEatTheLease) {
  machine_.command_takes = 4s;
  Pair pair(machine_);
  const wire::Prepared prepared = prepare(pair);
  ASSERT_TRUE(std::holds_alternative<wire::Injected>(pair.inject(prepared, 2s)));
  EXPECT_EQ(stopped("shop.service"), 3u);
  pair.read_for(1s);
  EXPECT_EQ(stopped("shop.service"), 3u);
  pair.read_for(3s);
  EXPECT_EQ(stopped("shop.service"), 0u);
}

TEST_F(WhereTest, ARevertDoesNotWaitForTheAnswer) {
  Pair pair(machine_);
  const wire::Prepared prepared = prepare(pair);
  machine_.command_takes = 4s;
  wire::Inject inject;
  inject.step = "method.0";
  inject.digest = prepared.digest;
  inject.lease = 5s;
  const std::int64_t id = pair.send(inject);
  pair.read_for(100ms);
  const std::int64_t revert = pair.send(wire::Revert{});
  EXPECT_TRUE(std::get<wire::AllReverted>(pair.answer(revert, 1s)).ok);
  EXPECT_EQ(refused(pair.answer(id, 1s)).text, "it was reverted before it was injected");
  pair.read_for(10s);
  EXPECT_EQ(machine_.snapshot(), before_);
}

}  // namespace
}  // namespace ordeal::executor::test
