#include "engine/executor/helper/enter.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <span>

#include "engine/base/ids.hpp"
#include "engine/base/json.hpp"
#include "engine/base/text.hpp"

namespace ordeal::helper {
namespace {

constexpr std::size_t kOrdersLimit = 64 * 1024;

Result<std::string> read_orders() {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Error::system(errno, "read the orders");
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kOrdersLimit) return Error(Code::invalid, "the orders exceed 64 KiB");
  }
}

Result<void> die_with(std::int64_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return Error::system(errno, "PR_SET_PDEATHSIG");
  // The parent may have died before the line above; then no signal will ever come.
  if (::getppid() != parent) return Error(Code::gone, "the parent is gone");
  return ok();
}

Result<void> set_oom_score(int score) {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return Error::system(errno, "open oom_score_adj");
  const std::string text = std::to_string(score);
  const ssize_t count = ::write(fd, text.data(), text.size());
  const int problem = errno;
  ::close(fd);
  if (count < 0) return Error::system(problem, "write oom_score_adj");
  return ok();
}

void answer(std::string line) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;  // Nobody listens any more: PDEATHSIG is on its way.
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  const int nothing = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nothing >= 0) ::dup2(nothing, STDOUT_FILENO);
  if (nothing > STDERR_FILENO) ::close(nothing);
}

}  // namespace

Result<HelperCall> helper_call(int count, const char* const* arguments) {
  HelperCall call;
  const std::span words(arguments, static_cast<std::size_t>(count));
  for (std::size_t i = 1; i + 1 < words.size(); i += 2) {
    const std::string_view option = words[i];
    const std::string_view value = words[i + 1];
    if (option == "--helper") {
      call.role = value;
    } else if (option == "--mark") {
      call.mark = value;
    } else if (option == "--parent") {
      std::from_chars(value.data(), value.data() + value.size(), call.parent);
    } else {
      return Error(Code::invalid, "helper: unknown option " + printable(option));
    }
  }
  if (count % 2 == 0 || call.role.empty() || !is_mark(call.mark) || call.parent <= 0) {
    return Error(Code::invalid, "helper: needs --helper ROLE --mark MARK --parent PID");
  }
  return call;
}

Result<boost::json::object> helper_enter(const HelperCall& call, std::optional<int> oom_score_adj) {
  CHECK_OK(die_with(call.parent));
  if (::prctl(PR_SET_NAME, call.mark.c_str()) != 0) return Error::system(errno, "PR_SET_NAME");
  // The spawn has marked them close-on-exec already; this holds whoever started us.
  if (::close_range(3, ~0U, 0) != 0) return Error::system(errno, "close_range");
  if (oom_score_adj) {
    CHECK_OK(set_oom_score(*oom_score_adj));
  }
  TRY(const std::string text, read_orders());
  TRY(boost::json::value orders, within("orders", json::parse(text)));
  if (!orders.is_object()) return Error(Code::invalid, "orders: expected an object");
  return std::move(orders.get_object());
}

void helper_ready() { answer("ready"); }
void helper_error(std::string_view text) { answer("error: " + printable(text)); }

}  // namespace ordeal::helper
