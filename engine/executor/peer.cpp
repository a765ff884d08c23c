#include "engine/executor/peer.hpp"

namespace ordeal::executor {
namespace {

constexpr std::size_t kNoticeSize = 9;  // kind, then 8 bytes big-endian

}  // namespace

std::string encode(const Notice& notice) {
  std::string out(1, static_cast<char>(notice.kind));
  const auto us = static_cast<std::uint64_t>(notice.deadline.time_since_epoch().count());
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(us >> shift));
  return out;
}

std::optional<Notice> NoticeReader::next() {
  constexpr std::string_view kKinds = "ARIQKH";
  const std::size_t start = buffer_.find_first_of(kKinds);
  buffer_.erase(0, start == buffer_.npos ? buffer_.size() : start);
  if (buffer_.size() < kNoticeSize) return std::nullopt;
  Notice notice;
  notice.kind = static_cast<Notice::Kind>(buffer_[0]);
  std::uint64_t us = 0;
  for (std::size_t i = 1; i < kNoticeSize; ++i) {
    us = us << 8 | static_cast<unsigned char>(buffer_[i]);
  }
  notice.deadline = BootTime(Duration(static_cast<Duration::rep>(us)));
  buffer_.erase(0, kNoticeSize);
  return notice;
}

}  // namespace ordeal::executor
