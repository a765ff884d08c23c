// One experiment file, read and checked: the only form that the rest of ordeal knows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>

#include "engine/base/units.hpp"
#include "engine/model/inventory.hpp"
#include "engine/model/place.hpp"
#include "engine/model/target.hpp"

namespace ordeal::model {

// ---- Conditions (grammar and semantics: docs/reference/conditions.md) --------------------------

enum class Aggregate {
  success,
  error,
  failures,
  count,
  throughput,
  mean,
  min,
  max,
  p50,
  p90,
  p95,
  p99,
  p999,
  value,
  restarts,
  outage,
  downtime,
  up,
  firing,
  pending,
};
std::string to_string(Aggregate aggregate);  // "p99.9", "success", ...

enum class Comparison { less, less_equal, greater, greater_equal, equal, not_equal };
std::string to_string(Comparison comparison);  // "<", "<=", ...

// What a number counts. Values are held in the base unit: seconds, percent points (0..100), bytes.
enum class Unit { none, seconds, percent, bytes, per_second, bytes_per_second };

struct Quantity {
  double value = 0;
  Unit unit = Unit::none;
};
// "250ms", "99.5%", "1.5 GiB", "50/s", "12"
std::string format_quantity(const Quantity& quantity);

// Either an absolute quantity, or factor x baseline + offset.
struct Bound {
  bool relative = false;
  double factor = 1;
  Quantity quantity;  // the bound itself, or the signed offset when relative
};

// Which hosts a host value is read on; empty: the target hosts.
struct HostPick {
  std::string name;   // a host's name, or a label's name when value is set
  std::string value;  // the label's value, or empty
};

enum class HostValue {
  cpu,
  memory_available,
  memory_used,
  swap_used,
  load1,
  cpu_pressure,
  memory_pressure,
  io_pressure,
};
std::string to_string(HostValue value);

struct Measure {
  std::string sli;  // "host" for host values
  Aggregate aggregate = Aggregate::value;
  std::optional<HostValue> host_value;  // set exactly when sli == "host"
  std::vector<HostPick> hosts;
};

struct Part {
  Measure measure;
  bool flag = false;     // `worker.up`: no comparison
  bool negated = false;  // `not page.firing`
  Comparison comparison = Comparison::less;
  Bound bound;
  std::optional<Duration> over;
};

enum class Join { single, all_of, any_of };

struct Condition {
  std::vector<Part> parts;
  Join join = Join::single;
  std::optional<Duration> for_;
  std::optional<Duration> within;
  std::string text;  // as written
  Place place;
};

// ---- SLIs --------------------------------------------------------------------------------------

// A text that may be a reference to a secret. Only probes resolve it; it is in no plan, event or
// report.
struct SecretText {
  std::string text;                 // literal, when neither of the others is set
  std::optional<std::string> env;   // name of an environment variable
  std::optional<std::string> file;  // absolute path
};

struct OkWhen {
  int status_min = 200;
  int status_max = 399;
  std::vector<std::pair<int, int>> statuses;  // when given, wins over min and max
  std::optional<Duration> faster_than;
  std::optional<std::string> body_contains;
};

struct HttpProbe {
  std::string url;
  std::string method = "GET";
  std::map<std::string, SecretText> headers;
  std::optional<std::pair<SecretText, SecretText>> basic_auth;  // user, password
  std::string body;
  double rate = 0;      // requests per second, open loop; 0 when concurrency is set
  int concurrency = 0;  // closed loop
  Duration timeout = 1s;
  OkWhen ok_when;
  bool insecure_skip_verify = false;
};
struct TcpProbe {
  std::string address;  // host:port
  double rate = 1;
  Duration timeout = 1s;
};
struct DnsProbe {
  std::string server;  // address[:port]
  std::string name;
  std::string type = "A";
  double rate = 1;
  Duration timeout = 1s;
};
struct ExecProbe {
  std::vector<std::string> argv;  // argv[0] absolute after resolution
  bool ok_mode = false;           // exit 0 means up; otherwise one number on stdout
  Duration every = 1s;
  Duration timeout = 1s;
  std::map<std::string, SecretText> env;
};
struct ProcessProbe {
  ProcessMatcher matcher;
  Duration every = 1s;
};
struct HostProbe {
  enum class What { disk_free, disk_used };
  What what = What::disk_free;
  std::string path;
  Duration every = 1s;
};

enum class OnNoData { abort, inconclusive };

struct Sli {
  std::string name;
  std::variant<HttpProbe, TcpProbe, DnsProbe, ExecProbe, ProcessProbe, HostProbe> probe;
  Unit unit = Unit::none;  // of gauges
  double scale = 1;        // the probe's number times this is in the base unit (`unit: ms`: 0.001)
  std::optional<std::int64_t> min_samples;
  OnNoData on_no_data = OnNoData::abort;
  Place place;
};
// Time between two samples.
Duration interval_of(const Sli& sli);
// How long one sample may take.
Duration timeout_of(const Sli& sli);
// True for http, tcp, dns: attempts that succeed or fail, with latency.
bool is_request(const Sli& sli);
// How many samples a window must hold before this aggregate of it is judged; `request`: of attempts
// with latency. `min_samples` is the SLI's own number. The latest sample and gaps need but one.
std::int64_t least_samples(Aggregate aggregate, bool request,
                           std::optional<std::int64_t> min_samples);

// ---- Method ------------------------------------------------------------------------------------

// A step that goes through its hosts a few at a time, and on only while the service is well.
struct Roll {
  std::int64_t at_once = 1;
  std::optional<Condition> until;  // must hold before the next hosts; judged as `wait.until` is
  Duration within{};
};

struct Step {
  std::string path;  // "method.0"
  std::string name;  // default "1-process.kill"
  std::string fault;
  std::optional<HostSelector> hosts;  // absent: the one local host
  // Instead of a target: cuts, delays or loses what these two groups say to each other.
  std::optional<std::pair<HostSelector, HostSelector>> between;
  std::optional<Roll> roll;
  Target target;
  boost::json::object with;  // normalised, defaults filled in
  Duration duration{};
  std::optional<Duration> interval;  // repeat within duration
  Duration start_delay{};            // inside parallel only
  std::vector<Condition> expect;
  std::vector<Condition> abort_if;
  std::optional<std::vector<Condition>> during;  // replaces the global list while active
  Place place;
};

struct Parallel {
  std::vector<Step> steps;
};

struct Wait {
  std::optional<Duration> time;
  std::optional<Condition> until;
  Duration within{};
  Place place;
};

using MethodItem = std::variant<Step, Parallel, Wait>;

struct BlastRadius {
  std::optional<std::int64_t> hosts;
  std::optional<Ppm> host_share;
  std::optional<std::int64_t> processes;
  std::optional<Ppm> process_share;
  std::optional<Duration> duration;
};

struct Recovery {
  Duration within{};
  Duration hold{};
};

struct Experiment {
  std::string name;
  std::string hypothesis;
  std::string owner;
  std::map<std::string, std::string> links;
  std::map<std::string, std::string> labels;
  std::vector<std::string> tags;
  std::vector<Sli> slis;
  std::vector<Condition> steady_state;
  std::vector<Condition> during;  // already replaced by steady_state when absent in the file
  bool during_none = false;
  std::vector<Condition> expect;
  std::vector<Condition> abort_if;
  bool abort_if_none = false;
  Duration baseline{};
  Duration warmup = 2s;
  std::vector<MethodItem> method;
  Recovery recovery;
  BlastRadius blast_radius;
  bool blast_radius_given = false;
  bool stop_on_violation = false;

  std::string file;       // as given on the command line
  std::string sha256;     // of the bytes of the file
  std::string effective;  // the file after vars and service, as YAML; secrets stay references
  std::vector<std::string> warnings;  // lints, "file:line:column: text"
};

// Every step in order, those in `parallel` too.
std::vector<const Step*> steps_of(const Experiment& experiment);
// How many hosts were picked for a step.
using HostCount = std::function<std::int64_t(const Step&)>;
// Sum of waits (`within`) and steps; a parallel counts its longest start_delay + duration, a rolled
// step each of its rounds and the waits between them. Without `hosts` a rolled step counts as one
// round: at least so long.
Duration method_duration(const Experiment& experiment, const HostCount& hosts = {});
// From the start to the end, when all goes well and the service is back at once.
Duration shortest_run(const Experiment& experiment);

}  // namespace ordeal::model
