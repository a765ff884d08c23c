// The journal's unit of writing: 512 bytes, which a disk writes whole or not at all, each with a
// checksum of its own. What does not check out is as good as not there.
//
//   0  "ORDJ"            8  sequence of the record (u64)   20  index of this sector (u16)
//   4  CRC-32C of the   16  kind (u8), version (u8)        22  data sectors of the record (u16)
//      bytes from 8     18  payload length (u16)           24  mark sectors behind them (u16)
//                                                          32  payload
// Numbers are little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ordeal::journal {

inline constexpr std::size_t kSectorSize = 512;
inline constexpr std::size_t kPayloadStart = 32;
inline constexpr std::size_t kPayloadSize = kSectorSize - kPayloadStart;

enum class SectorKind : std::uint8_t { header = 'H', data = 'D', mark = 'M' };

struct Sector {
  SectorKind kind = SectorKind::data;
  std::uint64_t sequence = 0;
  std::uint16_t index = 0;  // within the record, data sectors first
  std::uint16_t data_count = 0;
  std::uint16_t mark_count = 0;
  std::string payload;  // at most kPayloadSize
};

std::string encode(const Sector& sector);
// Nothing for whatever is not exactly a sector of ours.
std::optional<Sector> decode_sector(std::string_view bytes);

}  // namespace ordeal::journal
