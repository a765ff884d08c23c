// Goal: what a stream of events says is folded into the one verdict that it means, and of several
// truths the one that needs a person most gives the exit code. Method: streams made by hand.
#include "engine/run/verdict.hpp"

#include <gmock/gmock.h>

namespace ordeal::run {
namespace {

using namespace model;

// A run that is upheld, unless something else is added.
class Stream {
 public:
  Stream() {
    RunStarted started;
    started.mode = "run";
    started.conditions = {{"during.0", ConditionList::during, "shop.success >= 99%", {}}};
    add(started);
    step(StepState::injecting, Seen::not_yet);
    step(StepState::injected, Seen::not_yet);
    step(StepState::verified, Seen::yes, "1 of 1 stopped");
  }
  Stream& add(EventData data) {
    Event event;
    event.data = std::move(data);
    fold_.apply(event);
    return *this;
  }
  Stream& step(StepState state, Seen seen, std::string text = "") {
    StepChanged changed;
    changed.step = "method.0";
    changed.state = state;
    changed.seen = seen;
    changed.text = std::move(text);
    return add(changed);
  }
  Stream& during(Truth truth) {
    ConditionStatus status;
    status.id = "during.0";
    status.phase = Phase::fault;
    status.final = true;
    status.truth = truth;
    status.measured_text = "79.3%";
    status.bound_text = ">= 99%";
    return add(status);
  }
  Stream& abort(AbortCause cause) { return add(AbortDecided{cause, "", "because", 1}); }
  Stream& recovered(bool yes) { return add(RecoveryMeasured{yes, 1s, 3s}); }
  Stream& host(bool clean, std::string lost = "") {
    HostChecked checked;
    checked.clean = clean;
    checked.lost = std::move(lost);
    return add(checked);
  }
  Verdict verdict() const { return fold_.verdict(); }

 private:
  VerdictFold fold_;
};

Stream well() { return Stream().during(Truth::holds).recovered(true).host(true); }

TEST(Verdict, UpheldNeedsEveryAnswerToBeGood) {
  const Verdict verdict = well().verdict();
  EXPECT_EQ(verdict.exit, 0);
  EXPECT_EQ(verdict.exit_name, "upheld");
  EXPECT_EQ(verdict.hypothesis, Hypothesis::upheld);
  EXPECT_EQ(verdict.run, RunEnd::completed);
  EXPECT_EQ(verdict.host, HostState::clean);
  EXPECT_EQ(verdict.service, ServiceState::recovered);
}

TEST(Verdict, ABrokenConditionIsAViolationWithItsNumbers) {
  const Verdict verdict = Stream().during(Truth::broken).recovered(true).host(true).verdict();
  EXPECT_EQ(verdict.exit_name, "violated");
  EXPECT_EQ(verdict.reason, "shop.success >= 99%: was 79.3%, allowed >= 99%");
}

TEST(Verdict, WhatWasSeenToFailHasFailedWhateverElseIsUnknown) {
  EXPECT_EQ(Stream().during(Truth::unknown).during(Truth::broken).host(true).verdict().exit_name,
            "violated");
}

TEST(Verdict, NothingJudgedIsInconclusive) {
  EXPECT_EQ(Stream().host(true).verdict().exit_name, "inconclusive");
  EXPECT_EQ(Stream().during(Truth::unknown).host(true).verdict().exit_name, "inconclusive");
}

TEST(Verdict, AnEffectThatNobodySawIsInconclusive) {
  VerdictFold fold;
  Event event;
  PlanMade plan;
  plan.steps.resize(1);
  plan.steps[0].step = "method.0";
  plan.steps[0].name = "1-network.delay";
  event.data = plan;
  fold.apply(event);
  for (const StepState state :
       {StepState::injecting, StepState::injected, StepState::effect, StepState::reverted}) {
    StepChanged changed;
    changed.step = "method.0";
    changed.state = state;
    // What the revert read back says nothing about the effect.
    changed.text = state == StepState::reverted ? "rules gone" : "0 packets matched";
    event.data = changed;
    fold.apply(event);
  }
  ConditionStatus status;
  status.phase = Phase::fault;
  status.final = true;
  status.truth = Truth::holds;
  event.data = status;
  fold.apply(event);
  HostChecked checked;
  event.data = checked;
  fold.apply(event);
  EXPECT_EQ(fold.verdict().exit_name, "inconclusive");
  EXPECT_EQ(fold.verdict().reason, "no effect of 1-network.delay was seen: 0 packets matched");
}

TEST(Verdict, OnlyFinalStatusesOfTheFaultCount) {
  Stream stream = well();
  ConditionStatus status;
  status.id = "during.0";
  status.phase = Phase::fault;
  status.truth = Truth::broken;  // not final: it may still come right
  stream.add(status);
  status.final = true;
  status.phase = Phase::baseline;
  stream.add(status);
  EXPECT_EQ(stream.verdict().exit_name, "upheld");
}

TEST(Verdict, AHostOfWhichNobodySpokeIsDirty) {
  EXPECT_EQ(Stream().during(Truth::holds).recovered(true).verdict().exit_name, "dirty");
}

TEST(Verdict, EachCauseOfAnAbortHasItsOwnExit) {
  const auto exit = [](AbortCause cause) {
    return Stream().abort(cause).during(Truth::holds).recovered(true).host(true).verdict();
  };
  EXPECT_EQ(exit(AbortCause::threshold).exit_name, "aborted");
  EXPECT_EQ(exit(AbortCause::threshold).hypothesis, Hypothesis::violated);
  EXPECT_EQ(exit(AbortCause::no_data).exit_name, "aborted");
  EXPECT_EQ(exit(AbortCause::no_data).hypothesis, Hypothesis::inconclusive);
  EXPECT_EQ(exit(AbortCause::violation).exit_name, "violated");
  EXPECT_EQ(exit(AbortCause::person).exit_name, "interrupted");
  EXPECT_EQ(exit(AbortCause::halt).exit_name, "interrupted");
  EXPECT_EQ(exit(AbortCause::suspended).exit_name, "interrupted");
  EXPECT_EQ(exit(AbortCause::executor).exit_name, "error");
}

TEST(Verdict, TheFirstReasonToStopIsTheReason) {
  const Verdict verdict = Stream()
                              .add(AbortDecided{AbortCause::person, "", "ctrl-C", 1})
                              .add(AbortDecided{AbortCause::threshold, "", "crossed", 2})
                              .host(true)
                              .verdict();
  EXPECT_EQ(verdict.exit_name, "interrupted");
  EXPECT_EQ(verdict.reason, "ctrl-C");
}

TEST(Verdict, ARefusalStandsAlone) {
  for (const Phase phase : {Phase::plan, Phase::baseline}) {
    VerdictFold fold;
    Event event;
    event.data = RunRefused{phase, "no"};
    fold.apply(event);
    EXPECT_EQ(fold.verdict().exit_name, phase == Phase::plan ? "refused" : "unsteady");
    EXPECT_EQ(fold.verdict().host, HostState::untouched);
    EXPECT_EQ(fold.verdict().run, RunEnd::refused);
  }
}

TEST(Verdict, AnInjectionThatFailsIsAnErrorAndProvesNothing) {
  const Verdict verdict = well().step(StepState::failed, Seen::not_yet, "EBUSY").verdict();
  EXPECT_EQ(verdict.exit_name, "error");
  EXPECT_EQ(verdict.hypothesis, Hypothesis::inconclusive);
  EXPECT_EQ(verdict.reason, "EBUSY");
}

// Every pair of truths, worst first: 9 > 10 > 8 > 7 > 5 > 1 > 6 > 0.
TEST(Verdict, OfSeveralTruthsTheWorstGivesTheExit) {
  struct Truthful {
    const char* name;
    void (*add)(Stream&);
  };
  const std::vector<Truthful> kWorstFirst = {
      {"dirty", [](Stream& stream) { stream.host(false); }},
      {"not_recovered", [](Stream& stream) { stream.recovered(false); }},
      {"error", [](Stream& stream) { stream.host(true, "the executor was lost"); }},
      {"interrupted", [](Stream& stream) { stream.abort(AbortCause::person); }},
      {"aborted", [](Stream& stream) { stream.abort(AbortCause::threshold); }},
      {"violated", [](Stream& stream) { stream.during(Truth::broken); }},
      {"inconclusive", [](Stream& stream) { stream.during(Truth::unknown); }},
      {"upheld", [](Stream& stream) { stream.during(Truth::holds); }},
  };
  for (std::size_t worse = 0; worse < kWorstFirst.size(); ++worse) {
    for (std::size_t better = worse; better < kWorstFirst.size(); ++better) {
      Stream stream;
      stream.host(true).recovered(true);
      // Of two aborts the first one counts: the second finds everything on its way back already.
      if (worse == 3) kWorstFirst[worse].add(stream);
      kWorstFirst[better].add(stream);
      kWorstFirst[worse].add(stream);
      // A lost executor and a dirty host are one event: the last one stands.
      if (worse == 0) stream.host(false, better == 2 ? "the executor was lost" : "");
      EXPECT_EQ(stream.verdict().exit_name, kWorstFirst[worse].name)
          << "and " << kWorstFirst[better].name;
    }
  }
}

TEST(Verdict, PrecedenceHoldsForEveryPairOfCodes) {
  const std::vector<Exit> kWorstFirst = {Exit::dirty,        Exit::not_recovered, Exit::error,
                                         Exit::interrupted,  Exit::aborted,       Exit::violated,
                                         Exit::inconclusive, Exit::unsteady,      Exit::refused,
                                         Exit::invalid,      Exit::upheld};
  for (std::size_t i = 0; i < kWorstFirst.size(); ++i) {
    for (std::size_t j = i; j < kWorstFirst.size(); ++j) {
      EXPECT_EQ(worse_of(kWorstFirst[i], kWorstFirst[j]), kWorstFirst[i]);
      EXPECT_EQ(worse_of(kWorstFirst[j], kWorstFirst[i]), kWorstFirst[i]);
    }
  }
}

TEST(Verdict, ARunThatTouchesNothingSaysSo) {
  VerdictFold fold;
  Event event;
  RunStarted started;
  started.mode = "baseline-only";
  event.data = started;
  fold.apply(event);
  EXPECT_EQ(fold.verdict().exit, 0);
  EXPECT_EQ(fold.verdict().hypothesis, Hypothesis::not_judged);
  EXPECT_EQ(fold.verdict().host, HostState::untouched);
  EXPECT_EQ(fold.verdict().reason, "steady; nothing was injected");
}

}  // namespace
}  // namespace ordeal::run
