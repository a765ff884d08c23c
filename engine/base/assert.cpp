#include "engine/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace ordeal {

void assertion_failed(const char* what, const char* file, int line) {
  std::fprintf(stderr, "ordeal: internal error: %s is false at %s:%d\n", what, file, line);
  std::abort();
}

}  // namespace ordeal
