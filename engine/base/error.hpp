// What went wrong, for a caller that must react and a person who must mend it.
//
// A code exists only where some caller branches on it; everything else is context, added from the
// inside out ("set netem on ordeal-ab12cd34: ..."). Library code returns errors and never logs.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace ordeal {

enum class Code {
  invalid,      // the input is wrong; nothing was touched
  refused,      // the input is fine, but policy, claims, limits or a missing capability forbid it
  gone,         // the object is not there (any more); for an undo this is success
  busy,         // somebody else holds it; a retry may succeed
  denied,       // missing privilege
  unsupported,  // this kernel or host cannot do it
  timeout,      // the deadline passed
  closed,       // the peer closed the stream
  failed,       // everything else
};

std::string_view to_string(Code code);

class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message, int system_errno = 0)
      : code_(code), errno_(system_errno), message_(std::move(message)) {}

  // From errno: "open /x: No such file or directory", with the code a caller would react to.
  static Error system(int system_errno, std::string_view what);

  Code code() const { return code_; }
  // The errno behind it, or 0.
  int system_errno() const { return errno_; }
  const std::string& message() const { return message_; }

  // Puts what was being done in front: "plan network.delay: no device is up".
  Error within(std::string_view what) &&;

 private:
  Code code_;
  int errno_;
  std::string message_;
};

}  // namespace ordeal
