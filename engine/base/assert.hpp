// Assertions for our own bugs, on in release too: never for input, never for what a kernel answers.
#pragma once

namespace ordeal {

[[noreturn]] void assertion_failed(const char* what, const char* file, int line);

}  // namespace ordeal

#define ORDEAL_ASSERT(condition) \
  ((condition) ? void() : ::ordeal::assertion_failed(#condition, __FILE__, __LINE__))
