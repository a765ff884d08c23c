// A journal over a disk in memory, and what is written into it.
#pragma once

#include <gtest/gtest.h>
#include <boost/asio/co_spawn.hpp>

#include "engine/journal/journal.hpp"
#include "engine/journal/sector.hpp"
#include "tests/unit/journal/fake_disk.hpp"

namespace ordeal::journal {

using test::FakeDisk;
using test::StillClock;

inline Header header_of(std::size_t size) {
  Header header;
  header.size = static_cast<std::int64_t>(size);
  header.token = "abcdefgh";
  header.run = "r-1121-0140-7f3a";
  header.boot_id = "boot-1";
  header.machine_id = "machine-1";
  header.created = WallTime(1'764'000'000s);
  return header;
}

inline Intent intent_of(const std::string& step, std::vector<model::Undo> undos) {
  Intent intent;
  intent.step = step;
  intent.name = "1-process.pause";
  intent.fault = "process.pause";
  intent.digest = std::string(64, 'd');
  intent.mark = "ordeal-abcdefgh";
  intent.claims.push_back(model::Claim{"process", "4711"});
  intent.idle.assign(undos.size(), false);
  intent.undos = std::move(undos);
  return intent;
}

inline std::vector<model::Undo> resumes(std::int64_t first, std::int64_t count) {
  std::vector<model::Undo> undos;
  for (std::int64_t i = 0; i < count; ++i) {
    undos.push_back(model::ResumeProcess{model::ProcessId{first + i, 1000 + i}});
  }
  return undos;
}

// A journal over `sectors` sectors of memory; its coroutines run until nothing is left to do.
class JournalTest : public ::testing::Test {
 protected:
  explicit JournalTest(std::size_t sectors = 24) { format(sectors); }

  void format(std::size_t sectors) {
    disk_.bytes.assign(sectors * kSectorSize, '\0');
    const std::string header = encode_header(header_of(disk_.bytes.size()));
    disk_.bytes.replace(0, header.size(), header);
    journal_ = std::make_unique<Journal>(clock_, std::make_unique<FakeDisk>(disk_), Scan{});
  }

  Result<std::uint64_t> append(Intent intent) {
    std::optional<Result<std::uint64_t>> out;
    run([](Journal* journal, Intent what,
           std::optional<Result<std::uint64_t>>* result) -> Task<void> {
      result->emplace(co_await journal->append(std::move(what)));
    }(journal_.get(), std::move(intent), &out));
    return *out;
  }

  void write_marks() {
    run([](Journal* journal) -> Task<void> {
      using namespace asio::experimental::awaitable_operators;
      co_await (journal->write_marks() || journal->flush(1s));
    }(journal_.get()));
  }

  void run(Task<void> task) {
    asio::io_context loop;
    const asio::any_io_executor executor = loop.get_executor();
    asio::co_spawn(executor, std::move(task), [](std::exception_ptr problem) {
      if (problem) std::rethrow_exception(problem);
    });
    loop.run();
  }

  void finish(std::uint64_t sequence, std::size_t undos) {
    for (std::size_t i = 0; i < undos; ++i) journal_->mark(sequence, i, UndoMark{0, true});
    write_marks();
  }

  FakeDisk::State disk_;
  StillClock clock_;
  std::unique_ptr<Journal> journal_;
};

inline std::set<std::string> written_intents(const Scan& scan) {
  std::set<std::string> out;
  for (const Record& record : scan.records) out.insert(intent_to_json(record.intent));
  return out;
}

}  // namespace ordeal::journal
