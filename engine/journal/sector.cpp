#include "engine/journal/sector.hpp"

#include "engine/base/assert.hpp"
#include "engine/base/digest.hpp"

namespace ordeal::journal {
namespace {

constexpr std::string_view kMagic = "ORDJ";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kChecked = 8;  // the checksum covers everything from here

void put(std::string& bytes, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i));
}

std::uint64_t get(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i > 0; --i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i - 1]);
  }
  return value;
}

}  // namespace

std::string encode(const Sector& sector) {
  ORDEAL_ASSERT(sector.payload.size() <= kPayloadSize);
  std::string bytes(kSectorSize, '\0');
  bytes.replace(0, kMagic.size(), kMagic);
  put(bytes, 8, sector.sequence, 8);
  put(bytes, 16, static_cast<std::uint8_t>(sector.kind), 1);
  put(bytes, 17, kVersion, 1);
  put(bytes, 18, sector.payload.size(), 2);
  put(bytes, 20, sector.index, 2);
  put(bytes, 22, sector.data_count, 2);
  put(bytes, 24, sector.mark_count, 2);
  bytes.replace(kPayloadStart, sector.payload.size(), sector.payload);
  put(bytes, 4, crc32c(std::string_view(bytes).substr(kChecked)), 4);
  return bytes;
}

std::optional<Sector> decode_sector(std::string_view bytes) {
  if (bytes.size() != kSectorSize || !bytes.starts_with(kMagic)) return std::nullopt;
  if (get(bytes, 4, 4) != crc32c(bytes.substr(kChecked))) return std::nullopt;
  const std::uint64_t kind = get(bytes, 16, 1);
  const std::size_t length = get(bytes, 18, 2);
  if (get(bytes, 17, 1) != kVersion || length > kPayloadSize) return std::nullopt;
  if (kind != 'H' && kind != 'D' && kind != 'M') return std::nullopt;
  Sector sector;
  sector.kind = static_cast<SectorKind>(kind);
  sector.sequence = get(bytes, 8, 8);
  sector.index = static_cast<std::uint16_t>(get(bytes, 20, 2));
  sector.data_count = static_cast<std::uint16_t>(get(bytes, 22, 2));
  sector.mark_count = static_cast<std::uint16_t>(get(bytes, 24, 2));
  sector.payload = bytes.substr(kPayloadStart, length);
  return sector;
}

}  // namespace ordeal::journal
