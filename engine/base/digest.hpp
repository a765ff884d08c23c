// SHA-256 (FIPS 180-4) and CRC-32C (RFC 3720), for the executor, which links no crypto library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ordeal {

// 64 lower-case hexadecimal characters.
std::string sha256_hex(std::string_view bytes);

std::uint32_t crc32c(std::string_view bytes);

// 64 bits that depend on every byte of the parts: ranks candidates in random choices, so that a
// seed repeats its picks whatever the order of the file. Not for secrets.
std::uint64_t mix_hash(std::uint64_t seed, std::string_view a, std::string_view b);

}  // namespace ordeal
