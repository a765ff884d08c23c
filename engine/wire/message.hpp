// What a front and an executor say to each other: one protocol on every wire.
//
// Frame: u32 big-endian length, then one JSON object {"v":1,"kind":...,...}. Orders go to the
// executor (64 KiB at most, strict: unknown kinds and members are errors), facts come back (1 MiB
// at most, unknown members ignored). Golden files: tests/golden/wire/v1/.
//
// The first frame in each direction is Hello / HelloFact. Every order carries an id; the facts that
// answer it carry the same id in `re`. Orders are idempotent: a repeated id is answered again from
// memory and changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <boost/describe.hpp>

#include "engine/base/units.hpp"
#include "engine/model/change.hpp"
#include "engine/model/event.hpp"
#include "engine/model/fault_description.hpp"

namespace ordeal::wire {

inline constexpr int kProtocolMin = 1;
inline constexpr int kProtocolMax = 1;
inline constexpr std::size_t kOrderLimit = 64u << 10;
inline constexpr std::size_t kFactLimit = 1u << 20;

// ---- Orders -----------------------------------------------------------------------------------

struct Hello {
  static constexpr const char* kKind = "hello";
  int protocol_min = kProtocolMin;
  int protocol_max = kProtocolMax;
  std::string version;
  std::string run;  // run id, journaled with every step
  std::uint64_t seed = 0;
};
BOOST_DESCRIBE_STRUCT(Hello, (), (protocol_min, protocol_max, version, run, seed))

// Resolve a step against the live host. Touches nothing.
struct Prepare {
  static constexpr const char* kKind = "prepare";
  model::StepRequest request;
};
BOOST_DESCRIBE_STRUCT(Prepare, (), (request))

// Make idle objects of a prepared step ahead (ifb), so that injection is short. Journaled.
struct Ready {
  static constexpr const char* kKind = "ready";
  std::string step;
  std::string digest;
};
BOOST_DESCRIBE_STRUCT(Ready, (), (step, digest))

// Inject what was prepared, if the digest is that of the latest prepare of this step.
struct Inject {
  static constexpr const char* kKind = "inject";
  std::string step;
  std::string digest;
  Duration lease{};
};
BOOST_DESCRIBE_STRUCT(Inject, (), (step, digest, lease))

// Sent by the guard after an evaluation, never by a timer of its own.
struct Renew {
  static constexpr const char* kKind = "renew";
  Duration lease{};
  std::int64_t sample = 0;  // sequence number of the last sample that was evaluated
};
BOOST_DESCRIBE_STRUCT(Renew, (), (lease, sample))

// Read the effects of a step again.
struct ReadEffect {
  static constexpr const char* kKind = "read_effect";
  std::string step;
};
BOOST_DESCRIBE_STRUCT(ReadEffect, (), (step))

// Undo the named steps, or all when empty, rank by rank.
struct Revert {
  static constexpr const char* kKind = "revert";
  std::vector<std::string> steps;
};
BOOST_DESCRIBE_STRUCT(Revert, (), (steps))

// Push host values every `interval`; 0 stops.
struct ObserveHost {
  static constexpr const char* kKind = "observe_host";
  Duration interval{};
};
BOOST_DESCRIBE_STRUCT(ObserveHost, (), (interval))

// Remove idle leftovers, compare the host with the snapshot taken at the first Prepare, report.
struct CheckHost {
  static constexpr const char* kKind = "check_host";
};
BOOST_DESCRIBE_STRUCT(CheckHost, (), ())

struct Bye {  // revert whatever is left, answer, exit
  static constexpr const char* kKind = "bye";
};
BOOST_DESCRIBE_STRUCT(Bye, (), ())

using OrderBody = std::variant<Hello, Prepare, Ready, Inject, Renew, ReadEffect, Revert,
                               ObserveHost, CheckHost, Bye>;
struct Order {
  std::int64_t id = 0;
  OrderBody body;
};

// ---- Facts ------------------------------------------------------------------------------------

struct HelloFact {
  static constexpr const char* kKind = "hello";
  int protocol_min = kProtocolMin;
  int protocol_max = kProtocolMax;
  std::string version;
  std::string host;
  std::string kernel;
  std::string boot_id;
  std::string machine_id;
  Token token;  // of this executor: its journal file
  std::vector<model::FaultDescription> faults;
  std::vector<std::string> dirty;  // what earlier runs left on this host; empty: clean
  std::string halted;              // reason of the halt latch; empty: not halted
  std::string unready;             // why nothing can be injected here; empty: it can
  std::vector<std::string> warnings;
};
BOOST_DESCRIBE_STRUCT(HelloFact, (),
                      (protocol_min, protocol_max, version, host, kernel, boot_id, machine_id,
                       token, faults, dirty, halted, unready, warnings))

struct Prepared {
  static constexpr const char* kKind = "prepared";
  model::HostStep plan;
  std::string digest;
};
BOOST_DESCRIBE_STRUCT(Prepared, (), (plan, digest))

enum class RefusalKind { invalid, refused, denied, unsupported, gone, busy, timeout, failed };
BOOST_DESCRIBE_ENUM(RefusalKind, invalid, refused, denied, unsupported, gone, busy, timeout, failed)

// The order was not carried out; for Inject everything already made was undone first.
struct Refused {
  static constexpr const char* kKind = "refused";
  RefusalKind why = RefusalKind::failed;
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Refused, (), (why, text))

struct Done {  // Ready, Renew, ObserveHost, Bye
  static constexpr const char* kKind = "done";
};
BOOST_DESCRIBE_STRUCT(Done, (), ())

struct Injected {
  static constexpr const char* kKind = "injected";
  std::string step;
  Duration took{};         // order received (and its `where` asked) -> last change made
  Duration kernel_took{};  // of it, inside the changes themselves
  model::EffectReading effect;
};
BOOST_DESCRIBE_STRUCT(Injected, (), (step, took, kernel_took, effect))

struct EffectRead {
  static constexpr const char* kKind = "effect_read";
  std::string step;
  model::EffectReading effect;
};
BOOST_DESCRIBE_STRUCT(EffectRead, (), (step, effect))

struct UndoResult {
  std::string what;     // "delete_table ordeal-abcdefgh"
  std::string text;     // read back: "table gone", "both running", or the error
  std::string command;  // by hand
  Duration took{};
  bool ok = true;
  bool gone_before = false;  // there was nothing to undo any more
};
BOOST_DESCRIBE_STRUCT(UndoResult, (), (what, text, command, took, ok, gone_before))

// The effect of one step is gone, read back (ok), or one of its undos failed and is retried.
struct StepReverted {
  static constexpr const char* kKind = "step_reverted";
  std::string step;
  bool ok = true;
  Duration took{};                   // since the revert began
  model::EffectReading last_effect;  // read just before
  std::vector<UndoResult> undos;
  std::string why;  // "ordered", "lease lapsed", "wire closed", "halt", "keeper died", "deadline"
};
BOOST_DESCRIBE_STRUCT(StepReverted, (), (step, ok, took, last_effect, undos, why))

struct AllReverted {  // answers Revert, after the last StepReverted
  static constexpr const char* kKind = "all_reverted";
  bool ok = true;
  Duration took{};
};
BOOST_DESCRIBE_STRUCT(AllReverted, (), (ok, took))

struct HostFact {  // pushed
  static constexpr const char* kKind = "host_values";
  std::map<std::string, double> values;  // by the names of model::HostValue; percent or bytes
};
BOOST_DESCRIBE_STRUCT(HostFact, (), (values))

// Answers CheckHost. Pushed: the last word of a worker that leaves without having been told to.
struct HostReport {
  static constexpr const char* kKind = "host_report";
  bool clean = true;
  std::vector<model::ResidueItem> residue;
  std::vector<std::string> changed_by_others;
  std::vector<std::string> kept;
};
BOOST_DESCRIBE_STRUCT(HostReport, (), (clean, residue, changed_by_others, kept))

struct Halted {  // pushed: the latch was set; everything is being reverted
  static constexpr const char* kKind = "halted";
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(Halted, (), (reason))

using FactBody = std::variant<HelloFact, Prepared, Refused, Done, Injected, EffectRead,
                              StepReverted, AllReverted, HostFact, HostReport, Halted>;
struct Fact {
  std::int64_t seq = 0;
  std::int64_t re = 0;  // id of the order that it answers; 0: pushed
  FactBody body;
};

// The keeper's voice, one JSON object a line on the executor's stderr: what it did after the worker
// was gone. Lines that do not begin with {"keeper": are diagnostics.
struct KeeperReport {
  std::string keeper;  // "worker died (signal 9)", "worker stuck in D", "halt"
  bool clean = true;
  std::vector<UndoResult> undos;
};
BOOST_DESCRIBE_STRUCT(KeeperReport, (), (keeper, clean, undos))

// ---- Codec (engine/wire/codec.cpp) ------------------------------------------------------------

std::string encode(const Order& order);  // the whole frame
std::string encode(const Fact& fact);
Result<Order> decode_order(std::string_view json);
Result<Fact> decode_fact(std::string_view json);
std::string encode(const KeeperReport& report);  // one line with its newline
Result<KeeperReport> decode_keeper(std::string_view line);

// Cuts a byte stream into frames. Error: a frame longer than the limit.
class FrameReader {
 public:
  explicit FrameReader(std::size_t limit) : limit_(limit) {}
  void feed(std::string_view bytes) {
    buffer_.erase(0, taken_);  // once for all that were taken, however small they were
    taken_ = 0;
    buffer_.append(bytes);
  }
  // The next whole frame's JSON; nothing when more bytes are needed.
  Result<std::optional<std::string>> next();

 private:
  std::size_t limit_;
  std::string buffer_;
  std::size_t taken_ = 0;  // bytes of it
};

RefusalKind refusal_of(Code code);
Code code_of(RefusalKind kind);

}  // namespace ordeal::wire
