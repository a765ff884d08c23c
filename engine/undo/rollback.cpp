#include "engine/undo/rollback.hpp"

#include <algorithm>

#include "engine/os/group.hpp"

namespace ordeal::undo {
namespace {

constexpr int kLastRank = 6;
constexpr int kServices = 5;  // from here on what was stopped is started, and looked for
constexpr int kLookTries = 5;

// One undo of one step.
struct Item {
  StepUndos* step = nullptr;
  std::size_t index = 0;

  const model::Undo& undo() const { return step->undos[index]; }
  const model::DeleteTable* table() const { return std::get_if<model::DeleteTable>(&undo()); }
};

using TableSet = std::set<std::pair<std::string, model::NftFamily>>;

Result<TableSet> tables_there(const os::Host& host) {
  TRY(auto tables, host.nftables().list_marked());
  TableSet out;
  for (const os::TableId& table : tables) out.emplace(table.name, table.family);
  return out;
}

class Rollback {
 public:
  Rollback(os::Host& host, std::vector<StepUndos>& steps, Listener& listener, Options options)
      : host_(host), steps_(steps), listener_(listener), options_(options),
        begun_(host.clock().now()), outcomes_(steps.size()), told_(steps.size()) {}

  Task<void> run() {
    tell_reverted();  // steps of which only leftovers are there
    empty_tables();
    tell_reverted();
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    for (int rank = 0; rank <= kLastRank; ++rank) {
      os::Group group(executor);
      for (std::size_t i = 0; i < steps_.size(); ++i) {
        if (!items_of(steps_[i], rank).empty()) group.spawn(run_rank(i, rank));
      }
      co_await group.join();
      if (stop_) break;
    }
    if (!stop_) co_return;
    for (StepUndos& step : steps_) step.done.assign(step.undos.size(), true);
    tell_reverted();
  }

 private:
  // What acts on the host and is not undone yet, newest first.
  std::vector<Item> items_of(StepUndos& step, int rank) {
    std::vector<Item> out;
    for (std::size_t i = step.undos.size(); i > 0; --i) {
      const std::size_t index = i - 1;
      if (step.done[index] || step.idle[index] || step.emptied[index] || tried(step, index) ||
          model::rank_of(step.undos[index]) != rank) {
        continue;
      }
      out.push_back(Item{&step, index});
    }
    return out;
  }

  bool tried(const StepUndos& step, std::size_t index) const {
    return failed_.contains({&step, index});
  }

  bool pending(StepUndos& step) {
    for (int rank = 0; rank <= kLastRank; ++rank) {
      if (!items_of(step, rank).empty()) return true;
    }
    return false;
  }

  void tell_reverted() {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (told_[i] || pending(steps_[i])) continue;
      told_[i] = true;
      listener_.reverted(steps_[i], outcomes_[i], host_.clock().now() - begun_);
    }
  }

  void end(const Item& item, Outcome outcome, bool finished) {
    if (outcome.ok && finished) item.step->done[item.index] = true;
    if (!outcome.ok) failed_.insert({item.step, item.index});
    if (!outcome.ok && options_.drop_rest_on_first_error) stop_ = true;
    listener_.ended(*item.step, item.index, outcome);
    outcomes_[static_cast<std::size_t>(item.step - steps_.data())].push_back(std::move(outcome));
  }

  // The tables of all steps in one transaction. What it could not take is tried one by one later.
  void empty_tables() {
    std::vector<Item> items;
    bool shaper = false;
    for (StepUndos& step : steps_) {
      for (const Item& item : items_of(step, 0)) {
        const auto* helper = std::get_if<model::KillHelper>(&item.undo());
        shaper = shaper || (helper != nullptr && helper->network);
        if (item.table() != nullptr) items.push_back(item);
      }
    }
    if (items.empty()) return;
    const auto queues = host_.nftables().queues();
    const bool keep_chains = shaper || (queues.has_value() && !queues.value().empty());
    const BootTime begun = host_.clock().now();
    const auto before = tables_there(host_);
    std::vector<os::TableId> tables;
    for (const Item& item : items) {
      listener_.trying(*item.step, item.index);
      tables.push_back(os::TableId{item.table()->table, item.table()->family});
    }
    const auto removed = host_.nftables().remove(tables, keep_chains);
    const auto after = tables_there(host_);
    if (removed.has_error() || after.has_error()) return;
    for (const Item& item : items) {
      const std::pair key(item.table()->table, item.table()->family);
      const bool there = after.value().contains(key);
      if (there && !keep_chains) continue;
      Outcome outcome = outcome_of(item.undo());
      outcome.took = host_.clock().now() - begun;
      outcome.gone_before = before.has_value() && !before.value().contains(key);
      const bool kept = keep_chains && there;
      outcome.text = outcome.gone_before ? "was gone already" : kept ? "rules gone" : "gone";
      if (kept) item.step->emptied[item.index] = true;
      end(item, std::move(outcome), !kept);
    }
  }

  Task<void> run_rank(std::size_t step, int rank) {
    if (rank >= kServices && settled_.insert(step).second) {
      co_await wait_for_dying(host_, steps_[step].undos);
    }
    for (const Item& item : items_of(steps_[step], rank)) {
      if (stop_) co_return;
      listener_.trying(*item.step, item.index);
      const Duration patience = options_.drop_rest_on_first_error ? Duration{} : kPatience;
      Outcome outcome = co_await undo::run(host_, item.undo(), patience);
      end(item, std::move(outcome), true);
    }
    tell_reverted();
  }

  os::Host& host_;
  std::vector<StepUndos>& steps_;
  Listener& listener_;
  Options options_;
  BootTime begun_;
  std::vector<std::vector<Outcome>> outcomes_;
  std::vector<bool> told_;
  std::set<std::pair<const StepUndos*, std::size_t>> failed_;
  std::set<std::size_t> settled_;  // steps whose processes have had their time to end
  bool stop_ = false;
};

Task<void> wait_drained(os::Host& host, std::vector<std::string> links, Duration longest) {
  const BootTime end = host.clock().now() + longest;
  while (host.clock().now() < end) {
    bool empty = true;
    for (const std::string& link : links) {
      const auto stats = host.qdiscs().stats(link);
      empty = empty && (stats.has_error() || stats.value().backlog_packets == 0);
    }
    if (empty) co_return;
    co_await host.clock().sleep(20ms);
  }
}

// What is left after rollback: links and emptied tables, newest first.
std::vector<Item> leftovers_of(std::vector<StepUndos>& steps) {
  std::vector<Item> items;
  for (StepUndos& step : steps) {
    for (std::size_t i = step.undos.size(); i > 0; --i) {
      const std::size_t index = i - 1;
      if (!step.done[index] && (step.idle[index] || step.emptied[index])) {
        items.push_back(Item{&step, index});
      }
    }
  }
  return items;
}

// Deletes many links of ours in one request, because one at a time takes 16 ms each. Whether they
// are gone is read back, and what is not is tried again one by one.
void remove_links(os::Host& host, std::vector<Item>& items, Listener& listener) {
  std::vector<std::string> names;
  for (const Item& item : items) {
    const auto* link = std::get_if<model::DeleteLink>(&item.undo());
    if (link != nullptr) names.push_back(link->link);
  }
  if (names.size() < 2) return;
  const BootTime begun = host.clock().now();
  if (host.links().remove_all(names).has_error()) return;
  const auto left = host.links().list();
  if (left.has_error()) return;
  std::erase_if(items, [&](const Item& item) {
    const auto* link = std::get_if<model::DeleteLink>(&item.undo());
    const bool there =
        link != nullptr && std::any_of(left.value().begin(), left.value().end(),
                                       [&](const auto& info) { return info.name == link->link; });
    if (link == nullptr || there) return false;
    Outcome outcome = outcome_of(item.undo());
    outcome.text = "gone";
    outcome.took = host.clock().now() - begun;
    item.step->done[item.index] = true;
    listener.ended(*item.step, item.index, outcome);
    return true;
  });
}

}  // namespace

StepUndos StepUndos::of(std::string step, std::uint64_t record, std::vector<model::Undo> undos,
                        std::vector<bool> idle) {
  StepUndos out;
  out.step = std::move(step);
  out.record = record;
  out.idle = std::move(idle);
  out.emptied.assign(undos.size(), false);
  out.done.assign(undos.size(), false);
  out.undos = std::move(undos);
  return out;
}

bool StepUndos::all_done() const {
  return std::all_of(done.begin(), done.end(), [](bool flag) { return flag; });
}

Task<void> rollback(os::Host& host, std::vector<StepUndos>& steps, Listener& listener,
                    Options options) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  Rollback work(host, steps, listener, options);
  co_await work.run();
}

Task<void> remove_leftovers(os::Host& host, std::vector<StepUndos>& steps, Listener& listener,
                            bool at_once) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  std::vector<Item> items = leftovers_of(steps);
  std::vector<std::string> links;
  Duration longest{};
  for (const Item& item : items) {
    const auto* link = std::get_if<model::DeleteLink>(&item.undo());
    if (link != nullptr) links.push_back(link->link);
    longest = std::max(longest, item.step->drain);
  }
  if (!at_once && !links.empty()) co_await wait_drained(host, links, longest);
  remove_links(host, items, listener);
  for (const Item& item : items) {
    listener.trying(*item.step, item.index);
    const Outcome outcome = co_await run(host, item.undo());
    if (outcome.ok) item.step->done[item.index] = true;
    listener.ended(*item.step, item.index, outcome);
  }
}

Result<std::set<std::string>> marks_on(const os::Host& host) {
  std::set<std::string> marks;
  TRY(auto tables, within("list the tables of nf_tables", host.nftables().list_marked()));
  for (const os::TableId& table : tables) marks.insert(table.name);
  TRY(auto helpers, within("list the processes", host.processes().marks()));
  marks.insert(helpers.begin(), helpers.end());
  TRY(auto links, within("list the links", host.links().list()));
  for (const os::LinkInfo& link : links) {
    if (is_mark(link.name)) marks.insert(link.name);
  }
  return marks;
}

Task<std::vector<Outcome>> sweep(os::Host& host, std::function<std::set<std::string>()> in_use) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  std::vector<Outcome> out;
  auto found = marks_on(host);
  for (int tries = 1; found.has_error() && tries < kLookTries; ++tries) {
    co_await host.clock().sleep(100ms);
    found = marks_on(host);
  }
  if (found.has_error()) {
    Outcome blind;
    blind.what = "look for what bears our mark";
    blind.text = found.error().message();
    blind.command = "ordeal recover";
    blind.ok = false;
    out.push_back(std::move(blind));
    co_return out;
  }
  if (found.value().empty()) co_return out;
  const std::set<std::string> used = in_use();
  for (const std::string& mark : found.value()) {
    if (used.contains(mark)) continue;
    // Tables first, so that nothing is sent to a link that goes away.
    std::vector<model::Undo> undos;
    undos.push_back(model::DeleteTable{mark, model::NftFamily::netdev});
    undos.push_back(model::DeleteTable{mark, model::NftFamily::inet});
    undos.push_back(model::KillHelper{mark, 1s, true});
    undos.push_back(model::DeleteLink{mark});
    for (const model::Undo& undo : undos) {
      Outcome outcome = co_await run(host, undo);
      if (!outcome.gone_before) out.push_back(std::move(outcome));
    }
  }
  co_return out;
}

}  // namespace ordeal::undo
