#include "engine/probe/judge.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "engine/probe/judge_impl.hpp"

namespace ordeal::probe {

using model::Condition;
using model::ConditionList;
using model::Phase;

namespace {

constexpr Duration kSlice = 100ms;

bool is_memory(model::HostValue value) {
  return value == model::HostValue::memory_available || value == model::HostValue::memory_used;
}

}  // namespace

// ---- making ------------------------------------------------------------------------------------

Judge::Impl::Impl(const model::Experiment& experiment, BootTime start)
    : experiment_(experiment), start_(start), latest_(start) {
  for (const model::Sli& sli : experiment.slis) {
    Series series;
    series.traits = traits_of(sli);
    series.sli = sli.name;
    series.arrivals = Arrivals(series.traits.interval, !series.traits.open_loop);
    book_.series.push_back(std::move(series));
  }
  guarded_.assign(experiment.slis.size(), false);
  add_list(experiment.steady_state, ConditionList::steady_state, "");
  add_list(experiment.during, ConditionList::during, "");
  add_list(experiment.expect, ConditionList::expect, "");
  add_list(experiment.abort_if, ConditionList::abort_if, "");
  for (const model::Step* step : model::steps_of(experiment)) {
    if (step->during) add_list(*step->during, ConditionList::during, step->path);
    add_list(step->expect, ConditionList::expect, step->path);
    add_list(step->abort_if, ConditionList::abort_if, step->path);
  }
  for (std::size_t i = 0; i < experiment.method.size(); ++i) {
    const auto* wait = std::get_if<model::Wait>(&experiment.method[i]);
    if (wait && wait->until) add_wait(*wait->until, fmt::format("method.{}", i));
  }
  for (const model::Step* step : model::steps_of(experiment)) {
    if (step->roll && step->roll->until) add_wait(*step->roll->until, step->path);
  }
}

void Judge::Impl::add_wait(const Condition& condition, std::string scope) {
  Entry entry;
  entry.scope = std::move(scope);
  entry.condition = &condition;
  entry.info = {entry.scope + ".until", ConditionList::wait, condition.text, condition.place};
  note_use(condition, ConditionList::wait);
  infos.push_back(entry.info);
  entries_.push_back(std::move(entry));
}

void Judge::Impl::add_list(const std::vector<Condition>& list, ConditionList kind,
                           const std::string& scope) {
  const std::string name = boost::describe::enum_to_string(kind, "?");
  const std::string prefix = scope.empty() ? name : scope + "." + name;
  for (std::size_t i = 0; i < list.size(); ++i) {
    Entry entry;
    entry.scope = scope;
    entry.condition = &list[i];
    entry.info = {fmt::format("{}.{}", prefix, i), kind, list[i].text, list[i].place};
    note_use(list[i], kind);
    infos.push_back(entry.info);
    entries_.push_back(std::move(entry));
  }
}

// An SLI that only expect and wait read may fall silent: the run goes on, and is inconclusive.
void Judge::Impl::note_use(const Condition& condition, ConditionList kind) {
  const bool guards = kind != ConditionList::expect && kind != ConditionList::wait;
  for (const model::Part& part : condition.parts) {
    if (part.measure.host_value) {
      const HostWant want{
          *part.measure.host_value,
          is_memory(*part.measure.host_value) && part.bound.quantity.unit != model::Unit::bytes};
      const auto same = [&](const HostWant& other) {
        return other.value == want.value && other.percent == want.percent;
      };
      if (std::none_of(host_wants_.begin(), host_wants_.end(), same)) host_wants_.push_back(want);
      host_picks_.push_back(part.measure.hosts);
      host_guarded_ = host_guarded_ || guards;
      continue;
    }
    for (std::size_t i = 0; i < experiment_.slis.size(); ++i) {
      const model::Sli& sli = experiment_.slis[i];
      if (sli.name != part.measure.sli || sli.on_no_data != model::OnNoData::abort) continue;
      if (guards) guarded_[i] = true;
    }
  }
}

std::size_t Judge::Impl::host_series(const std::string& host, const HostWant& want) {
  for (std::size_t i = 0; i < book_.series.size(); ++i) {
    const Series& series = book_.series[i];
    if (series.host == host && series.host_value == want.value && series.percent == want.percent) {
      return i;
    }
  }
  Series series;
  series.traits = traits_of_host(host, want.value, want.percent);
  series.sli = "host";
  series.host = host;
  for (const WatchedHost& known : hosts_) {
    if (known.name != host) continue;
    series.labels = known.labels;
    series.target = known.target;
  }
  series.host_value = want.value;
  series.percent = want.percent;
  book_.series.push_back(std::move(series));
  return book_.series.size() - 1;
}

// The silence of one of several hosts must be noticed, even if it never said a word.
void Judge::Impl::set_hosts(std::vector<WatchedHost> hosts) {
  hosts_ = std::move(hosts);
  for (const WatchedHost& host : hosts_) {
    if (!reads_host(host.name)) continue;
    for (const HostWant& want : host_wants_) host_series(host.name, want);
  }
}

bool Judge::Impl::watches_host(const std::string& host,
                               const std::map<std::string, std::string>& labels) const {
  return std::any_of(host_picks_.begin(), host_picks_.end(),
                     [&](const auto& list) { return picks(list, host, labels, false); });
}

bool Judge::Impl::reads_host(const std::string& host) const {
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const WatchedHost& known) {
    return known.name == host &&
           std::any_of(host_picks_.begin(), host_picks_.end(), [&known](const auto& list) {
             return picks(list, known.name, known.labels, known.target);
           });
  });
}

// ---- samples -----------------------------------------------------------------------------------

void Judge::Impl::add_point(std::size_t index, const Point& point, const std::string& problem) {
  Series& series = book_.series[index];
  series.log.push_back(point);
  if (!series.traits.gauge) series.arrivals.add(point);
  latest_ = std::max(latest_, point.completed);
  if (point.no_data) {
    series.last_problem = problem;
  } else {
    series.last_data = std::max(series.last_data.value_or(point.completed), point.completed);
  }
  const std::int64_t number = (point.scheduled - start_) / kSlice;
  const std::int64_t slice =
      series.traits.request ? number : point.scheduled.time_since_epoch().count();
  SliceTally& tally = slices_[{index, slice}];
  model::Samples& out = tally.samples;
  out.from = series.traits.request ? number * kSlice : point.scheduled - start_;
  out.length = series.traits.request ? kSlice : series.traits.interval;
  if (out.problem.empty() || (point.no_data && !out.no_data)) out.problem = problem;
  out.no_data = out.no_data || point.no_data;
  if (!point.no_data) {
    ++out.attempts;
    if (point.good) ++out.good;
    if (series.traits.request && point.good) tally.latency.add(point.latency);
    if (series.traits.flag) out.value = point.good ? 1 : 0;
    if (series.traits.gauge) out.value = point.value;
  }
  for (Entry& entry : entries_) {
    if (entry.phase) entry.phase->feed(index, point);
    if (entry.trailing && entry.trailing->feed(index, point)) {
      evaluate(entry, latest_, true);
    }
  }
}

void Judge::Impl::add_host(const std::string& host, const std::map<std::string, double>& values,
                           BootTime at) {
  for (const HostWant& want : host_wants_) {
    const auto found = values.find(model::to_string(want.value));
    if (found == values.end()) continue;  // silence is judged
    double value = found->second;
    if (want.percent) {
      const auto total = values.find("memory_total");
      if (total != values.end() && total->second > 0) value = 100.0 * value / total->second;
    }
    Point point;
    point.scheduled = at;
    point.completed = at;
    point.value = value;
    add_point(host_series(host, want), point, "");
  }
}

void Judge::Impl::blind(BootTime from, BootTime to) {
  for (Series& series : book_.series) series.arrivals.blind(from, to);
}

std::vector<model::Samples> Judge::Impl::slices() {
  std::vector<model::Samples> out;
  for (auto& [key, tally] : slices_) {
    const Series& series = book_.series[key.first];
    model::Samples samples = std::move(tally.samples);
    samples.sli = series.sli;
    if (series.host_value) {
      samples.sli = "host." + model::to_string(*series.host_value);
      samples.host = series.host;
    }
    samples.latency = tally.latency.pairs();
    out.push_back(std::move(samples));
  }
  slices_.clear();
  std::stable_sort(out.begin(), out.end(), [](const model::Samples& a, const model::Samples& b) {
    return a.from < b.from;
  });
  return out;
}

// ---- the face ----------------------------------------------------------------------------------

Judge::Judge(const model::Experiment& experiment, BootTime start)
    : impl_(std::make_unique<Impl>(experiment, start)) {}
Judge::~Judge() = default;

const std::vector<model::ConditionInfo>& Judge::conditions() const { return impl_->infos; }

void Judge::set_hosts(std::vector<WatchedHost> hosts) { impl_->set_hosts(std::move(hosts)); }

bool Judge::watches_host(const std::string& host,
                         const std::map<std::string, std::string>& labels) const {
  return impl_->watches_host(host, labels);
}

bool Judge::reads_host(const std::string& host) const { return impl_->reads_host(host); }

void Judge::add(const Sample& sample) {
  Point point;
  point.scheduled = sample.scheduled;
  point.completed = sample.completed;
  point.latency = sample.latency;
  point.value = sample.value.value_or(0);
  point.restarts = sample.restarts.value_or(0);
  point.good = sample.ok;
  point.no_data = sample.no_data;
  impl_->add_point(sample.sli, point, sample.problem);
}

void Judge::add_host(const std::string& host, const std::map<std::string, double>& values,
                     BootTime at) {
  impl_->add_host(host, values, at);
}

void Judge::blind(BootTime from, BootTime to) { impl_->blind(from, to); }

void Judge::begin_baseline(BootTime at) { impl_->begin_baseline(at); }
Result<void> Judge::end_baseline(BootTime at) { return impl_->end_baseline(at); }
void Judge::arm(BootTime at) { impl_->arm(at); }
void Judge::begin_fault(BootTime at) { impl_->begin_fault(at); }
void Judge::begin_step(const std::string& path, BootTime at, std::optional<BootTime> injecting) {
  impl_->begin_step(path, at, injecting.value_or(at));
}
void Judge::end_step(const std::string& path, BootTime at) { impl_->end_step(path, at); }
void Judge::end_fault(BootTime at) { impl_->end_fault(at); }
void Judge::begin_wait(const std::string& path, BootTime at) { impl_->begin_wait(path, at); }
bool Judge::wait_holds(const std::string& path, BootTime now) {
  return impl_->wait_holds(path, now);
}
model::ConditionStatus Judge::end_wait(const std::string& path, BootTime now) {
  return impl_->end_wait(path, now);
}
void Judge::begin_recovery(BootTime at) { impl_->begin_recovery(at); }
std::optional<Duration> Judge::recovered(BootTime now) { return impl_->recovered(now); }
std::vector<model::ConditionStatus> Judge::update(BootTime now) { return impl_->update(now); }
std::optional<AbortReason> Judge::abort_reason(BootTime now) { return impl_->abort_reason(now); }
std::vector<model::ConditionStatus> Judge::final_statuses(Phase phase, BootTime now) {
  return impl_->final_statuses(phase, now);
}
std::vector<model::SliSummary> Judge::summaries(Phase phase) { return impl_->summaries(phase); }
std::vector<model::Samples> Judge::slices(BootTime) { return impl_->slices(); }

}  // namespace ordeal::probe
