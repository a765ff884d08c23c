// Four answers, never folded into one: what was learned, how the run went, whether the machine is
// back, whether the service is well.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe.hpp>

namespace ordeal::model {

enum class Hypothesis { upheld, violated, inconclusive, not_judged };
BOOST_DESCRIBE_ENUM(Hypothesis, upheld, violated, inconclusive, not_judged)
enum class RunEnd { completed, aborted, refused, interrupted, error };
BOOST_DESCRIBE_ENUM(RunEnd, completed, aborted, refused, interrupted, error)
enum class HostState { clean, dirty, untouched };
BOOST_DESCRIBE_ENUM(HostState, clean, dirty, untouched)
enum class ServiceState { recovered, not_recovered, not_judged };
BOOST_DESCRIBE_ENUM(ServiceState, recovered, not_recovered, not_judged)

enum class Exit : int {
  upheld = 0,
  violated = 1,
  invalid = 2,
  refused = 3,
  unsteady = 4,
  aborted = 5,
  inconclusive = 6,
  interrupted = 7,
  error = 8,
  dirty = 9,
  not_recovered = 10,
};
std::string to_string(Exit exit);  // the stable names that scripts read
std::optional<Exit> exit_named(std::string_view name);
// When several hold: 9 > 10 > 8 > 7 > 5 > 1 > 6 > 4 > 3 > 2 > 0.
Exit worse_of(Exit a, Exit b);

struct Verdict {
  Hypothesis hypothesis = Hypothesis::not_judged;
  RunEnd run = RunEnd::completed;
  HostState host = HostState::untouched;
  ServiceState service = ServiceState::not_judged;
  int exit = 0;
  std::string exit_name = "upheld";
  std::string reason;  // one sentence for a person
};
BOOST_DESCRIBE_STRUCT(Verdict, (), (hypothesis, run, host, service, exit, exit_name, reason))

}  // namespace ordeal::model
