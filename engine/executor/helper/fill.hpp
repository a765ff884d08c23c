// Data that takes its full space: pages that differ from each other and do not compress.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace ordeal::helper {

inline constexpr std::size_t kPageBytes = 4096;

// 32 KiB of splitmix64 output; copied from, so that filling runs at the speed of memory.
class Noise {
 public:
  Noise() {
    std::uint64_t state = 0x9e3779b97f4a7c15;
    for (std::uint64_t& word : words_) {
      state += 0x9e3779b97f4a7c15;
      std::uint64_t z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }
  // One page of noise for the page of this number.
  const std::uint64_t* page(std::uint64_t number) const {
    constexpr std::size_t kPlaces = 4096 - kPageBytes / sizeof(std::uint64_t);
    return words_.data() + number * 61 % kPlaces;
  }

 private:
  std::array<std::uint64_t, 4096> words_{};
};

// Fills [memory, memory + size) page by page: `noise_bytes` of noise at the start of each page,
// with the page's number in front, so that no two are equal; the rest stays as it is.
inline void fill_pages(char* memory, std::size_t size, std::uint64_t first_page,
                       std::size_t noise_bytes) {
  static const Noise kNoise;
  for (std::size_t at = 0; at < size; at += kPageBytes) {
    const std::uint64_t number = first_page + at / kPageBytes;
    const std::size_t length = std::min(noise_bytes, size - at);
    std::memcpy(memory + at, kNoise.page(number), length);
    if (length >= sizeof number) std::memcpy(memory + at, &number, sizeof number);
  }
}

// How much is taken at once: whole huge pages, about ten steps a second of the ramp.
inline std::int64_t memory_step(std::int64_t bytes, std::int64_t ramp_us, std::int64_t smallest,
                                std::int64_t largest) {
  if (ramp_us <= 0) return largest;
  const auto even = static_cast<std::int64_t>(static_cast<__int128>(bytes) * 100'000 / ramp_us);
  return std::clamp(even / smallest * smallest, smallest, largest);
}

}  // namespace ordeal::helper
