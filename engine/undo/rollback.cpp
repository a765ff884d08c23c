#include "engine/undo/rollback.hpp"

#include <algorithm>
#include <map>

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
    // When nobody can tell, somebody may hold packets in one.
    const bool keep_chains = shaper || queues.has_error() || !queues.value().empty();
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

Result<std::string> alias_of(const os::Host& host, const std::string& state_directory) {
  auto identity = host.files().identity(state_directory);
  if (identity.has_error() && identity.error().code() == Code::gone) return std::string("ordeal");
  TRY(auto known, within("tell whose the links are", std::move(identity)));
  return fmt::format("ordeal {}:{} {}", known.device, known.inode, state_directory);
}

namespace {

// Who may not look at tables may not make one either: the kernel asks for the same capability, and
// is asked for it in another way, because one EPERM alone could be an accident. What a process with
// more rights has made is not overlooked: it stands in a journal, whose undo says that it cannot
// look at it.
bool tables_could_not_be_made(const os::Host& host, const Error& unlisted) {
  if (unlisted.code() != Code::denied) return false;
  const auto may = host.links().may_change();
  return may.has_error() && may.error().code() == Code::denied;
}

constexpr Duration kNameless = 100ms;  // a link is made first and given its alias then

// "ordeal 254:0:131 /var/lib/ordeal" -> "ordeal 254:0:131": another mount may have another path.
std::string_view identity_in(std::string_view alias) {
  return alias.substr(0, alias.find(' ', alias.find(' ') + 1));
}

bool nameless(const Result<std::vector<os::LinkInfo>>& links) {
  return links.has_value() &&
         std::any_of(links.value().begin(), links.value().end(),
                     [](const auto& link) { return is_mark(link.name) && link.alias.empty(); });
}

Outcome blind(std::string what, std::string why) {
  Outcome out;
  out.what = std::move(what);
  out.text = std::move(why);
  out.command = "ordeal recover";
  out.ok = false;
  return out;
}

}  // namespace

Result<std::vector<Mark>> marks_on(const os::Host& host, const std::string& alias) {
  std::map<std::string, std::string> marks;  // why it is kept
  auto listed = host.nftables().list_marked();
  if (listed.has_error() && tables_could_not_be_made(host, listed.error())) {
    listed = std::vector<os::MarkedTable>();
  }
  TRY(auto tables, within("list the tables of nf_tables", std::move(listed)));
  for (const os::MarkedTable& table : tables) {
    std::string& kept = marks[table.name];
    if (table.owned) kept = "the owner of its table lives";
  }
  TRY(auto helpers, within("list the processes", host.processes().helpers()));
  for (const os::Helper& helper : helpers) {
    std::string& kept = marks[helper.mark];
    if (helper.owned) kept = "its executor lives";
  }
  TRY(auto links, within("list the links", host.links().list()));
  for (const os::LinkInfo& link : links) {
    if (!is_mark(link.name)) continue;
    std::string& kept = marks[link.name];
    // Versions before gave none: those are ours, as far as anybody can tell.
    if (link.alias.empty() || identity_in(link.alias) == identity_in(alias)) continue;
    if (kept.empty()) kept = "it belongs to another state directory (" + link.alias + ")";
  }
  std::vector<Mark> out;
  for (auto& [name, kept] : marks) out.push_back(Mark{name, std::move(kept)});
  return out;
}

Task<Swept> sweep(os::Host& host, std::string state_directory, InUse in_use) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  Swept out;
  if (nameless(host.links().list())) co_await host.clock().sleep(kNameless);
  const auto alias = alias_of(host, state_directory);
  auto found = alias.has_value() ? marks_on(host, alias.value())
                                 : Result<std::vector<Mark>>(Error(alias.error()));
  if (found.has_error()) {
    out.undone.push_back(blind("look for what bears our mark", found.error().message()));
    co_return out;
  }
  if (found.value().empty()) co_return out;
  const auto used = in_use();
  if (used.has_error()) {
    out.undone.push_back(blind("tell what is nobody's from what live runs use",
                               used.error().message() + "; nothing is removed by its mark"));
    co_return out;
  }
  for (const Mark& mark : found.value()) {
    if (used.value().contains(mark.name)) continue;
    if (!mark.kept.empty()) {
      out.others.push_back(mark.name + ": " + mark.kept);
      continue;
    }
    // Tables first, so that nothing is sent to a link that goes away.
    std::vector<model::Undo> undos;
    undos.push_back(model::DeleteTable{mark.name, model::NftFamily::netdev});
    undos.push_back(model::DeleteTable{mark.name, model::NftFamily::inet});
    undos.push_back(model::KillHelper{mark.name, 1s, true});
    undos.push_back(model::DeleteLink{mark.name});
    for (const model::Undo& undo : undos) {
      Outcome outcome = co_await run(host, undo);
      if (!outcome.gone_before) out.undone.push_back(std::move(outcome));
    }
  }
  co_return out;
}

}  // namespace ordeal::undo
