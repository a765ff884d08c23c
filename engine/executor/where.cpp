// Is this host one of those that a step means? A program that only looks is asked, when the step is
// prepared and again right before it is injected: who leads may have changed meanwhile.
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "engine/base/pattern.hpp"
#include "engine/base/scope.hpp"
#include "engine/base/text.hpp"
#include "engine/executor/budget.hpp"
#include "engine/executor/session.hpp"

namespace ordeal::executor {

using namespace asio::experimental::awaitable_operators;

namespace {

constexpr Duration kLookTime = 5s;
constexpr std::size_t kShown = 60;  // of what it printed

std::string first_line(const std::string& text) {
  return printable(std::string_view(text).substr(0, text.find('\n')), kShown);
}

}  // namespace

Task<Result<std::string>> Session::look(model::Where where) {
  if (!policy_problem_.empty()) co_return Error(Code::refused, policy_problem_);
  CO_CHECK_OK(check_where(policy_, where));
  const std::string program = printable(where.exec.front(), 200);
  model::Command command;
  command.argv = where.exec;
  command.timeout = kLookTime;
  while (looking_ >= kMostLooks) co_await looked_.wait();
  ++looking_;
  const ScopeGuard ended([this] {
    --looking_;
    looked_.notify();
  });
  auto ran = co_await host_.processes().run(std::move(command));
  // Not Code::gone, which says that the answer is another one.
  if (ran.has_error()) co_return Error(Code::failed, "where: " + ran.error().message());
  os::CommandResult result = std::move(ran.value());
  if (result.timed_out) {
    co_return Error(Code::timeout, fmt::format("where: {} has not ended after {}", program,
                                               format_duration(kLookTime)));
  }
  if (!result.exit_code) {
    co_return Error(Code::failed, fmt::format("where: {}: {}", program, result.ending()));
  }
  if (result.exit_code != 0) {
    const std::string said = first_line(result.errors);
    const char* colon = said.empty() ? "" : ": ";
    co_return fmt::format("{} ended with {}{}{}", program, *result.exit_code, colon, said);
  }
  CO_TRY(auto matches, within("where", some_line_matches(where.stdout_pattern, result.output)));
  if (matches) co_return std::string();
  co_return fmt::format("{} printed '{}', which does not match {}", program,
                        first_line(result.output), printable(where.stdout_pattern, 200));
}

// A revert does not wait for it.
Task<Result<void>> Session::still_here(Step* step) {
  if (step->cancelled) co_return Error(Code::refused, "it was reverted before it was injected");
  model::Where where = *step->where;
  auto first = co_await (look(std::move(where)) || cancelled(step));
  if (step->cancelled) co_return Error(Code::refused, "it was reverted before it was injected");
  CO_TRY(auto not_here, std::get<0>(std::move(first)));
  if (not_here.empty()) co_return ok();
  co_return Error(Code::gone, "where: " + not_here);
}

}  // namespace ordeal::executor
