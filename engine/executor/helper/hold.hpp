// The end of every helper: it does nothing until a signal ends it.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <csignal>

namespace ordeal::helper {

// SIGTERM ends us at once, whatever mask or handler we were started with.
inline void end_on_term() {
  std::signal(SIGTERM, SIG_DFL);
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
}

[[noreturn]] inline void hold() {
  for (;;) ::pause();
}

}  // namespace ordeal::helper
