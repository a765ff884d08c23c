#include "engine/base/error.hpp"

#include <cerrno>
#include <cstring>

namespace ordeal {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::invalid: return "invalid";
    case Code::refused: return "refused";
    case Code::gone: return "gone";
    case Code::busy: return "busy";
    case Code::denied: return "denied";
    case Code::unsupported: return "unsupported";
    case Code::timeout: return "timeout";
    case Code::closed: return "closed";
    case Code::failed: return "failed";
  }
  return "failed";
}

namespace {

Code code_of(int system_errno) {
  switch (system_errno) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: return Code::gone;
    case EBUSY:
    case EEXIST:
    case EAGAIN: return Code::busy;
    case EPERM:
    case EACCES: return Code::denied;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT: return Code::unsupported;
    case ETIMEDOUT: return Code::timeout;
    case EPIPE:
    case ECONNRESET: return Code::closed;
    default: return Code::failed;
  }
}

}  // namespace

Error Error::system(int system_errno, std::string_view what) {
  std::string text(what);
  text += ": ";
  text += std::strerror(system_errno);
  if (system_errno == EMFILE) text += " (the limit of this process: raise it, ulimit -Hn)";
  if (system_errno == ENFILE) text += " (the limit of this machine: sysctl fs.file-max)";
  return Error(code_of(system_errno), std::move(text), system_errno);
}

Error Error::within(std::string_view what) && {
  message_ = std::string(what) + ": " + message_;
  return std::move(*this);
}

}  // namespace ordeal
