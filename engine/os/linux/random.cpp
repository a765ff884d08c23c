#include "engine/os/linux/random.hpp"

#include <sys/random.h>

#include "engine/base/assert.hpp"

namespace ordeal::os {

std::uint64_t LinuxRandom::next() {
  std::uint64_t bits = 0;
  // Eight bytes are never interrupted once the pool is ready (getrandom(2)).
  const auto count = ::getrandom(&bits, sizeof bits, 0);
  ORDEAL_ASSERT(count == sizeof bits);
  return bits;
}

}  // namespace ordeal::os
