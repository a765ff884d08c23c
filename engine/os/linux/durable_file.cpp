#include "engine/os/linux/durable_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <thread>

#include "engine/os/linux/suspend.hpp"

namespace ordeal::os {

namespace {

struct flock lock_of(LockedByte byte) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte == LockedByte::owner ? 0 : 1;
  lock.l_len = 1;
  return lock;
}

}  // namespace

Result<void> take_lock(const Fd& fd, const std::string& path, LockedByte byte) {
  struct flock lock = lock_of(byte);
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0) return ok();
  if (errno == EAGAIN || errno == EACCES) return Error(Code::busy, path + " is locked");
  return Error::system(errno, "lock " + path);
}

Result<bool> is_locked(const Fd& fd, const std::string& path, LockedByte byte) {
  struct flock lock = lock_of(byte);
  if (::fcntl(fd.get(), F_OFD_GETLK, &lock) != 0) {
    return Error::system(errno, "ask who has locked " + path);
  }
  return lock.l_type != F_UNLCK;
}

struct LinuxDurableFile::Job {
  std::size_t offset = 0;
  std::string bytes;
  Result<void> result = ok();
  // Of the loop alone:
  bool done = false;
  Resume resume;
};

// Shared by the loop and the thread; lives as long as either needs it.
class LinuxDurableFile::Writer {
 public:
  Writer(asio::any_io_executor executor, Fd fd, Sync* sync)
      : executor_(std::move(executor)), fd_(std::move(fd)), sync_(sync) {}

  static std::shared_ptr<Writer> start(asio::any_io_executor executor, Fd fd, Sync* sync) {
    auto writer = std::make_shared<Writer>(std::move(executor), std::move(fd), sync);
    // Signals belong to the loop.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    writer->thread_ = std::thread([writer] { writer->work(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return writer;
  }

  void push(std::shared_ptr<Job> job) {
    const std::lock_guard hold(mutex_);
    jobs_.push_back(std::move(job));
    wake_.notify_one();
  }

  // After this nothing is posted to the loop any more. Writes that have not begun are dropped.
  void stop() {
    std::unique_lock hold(mutex_);
    stopped_ = true;
    jobs_.clear();
    wake_.notify_one();
    const bool in_disk = writing_;
    hold.unlock();
    if (in_disk) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }

 private:
  void work() {
    std::unique_lock hold(mutex_);
    for (;;) {
      wake_.wait(hold, [this] { return stopped_ || !jobs_.empty(); });
      if (stopped_) return;
      const std::shared_ptr<Job> job = std::move(jobs_.front());
      jobs_.pop_front();
      writing_ = true;
      hold.unlock();
      job->result = perform(*job);
      hold.lock();
      writing_ = false;
      if (stopped_) return;
      asio::post(executor_, [job] {
        job->done = true;
        if (job->resume) std::exchange(job->resume, {})({});
      });
    }
  }

  Result<void> perform(const Job& job) {
    if (failed_) return Error(Code::failed, "an earlier write to the disk failed");
    auto written = write_and_sync(job);
    // The kernel drops dirty pages after a failed sync and reports it once: a later success would
    // say nothing about this write.
    if (!written) failed_ = true;
    return written;
  }

  Result<void> write_and_sync(const Job& job) {
    std::size_t done = 0;
    while (done < job.bytes.size()) {
      const ssize_t count = ::pwrite(fd_.get(), job.bytes.data() + done, job.bytes.size() - done,
                                     static_cast<off_t>(job.offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Error::system(errno, "write");
      done += static_cast<std::size_t>(count);
    }
    if (sync_(fd_.get()) != 0) return Error::system(errno, "fdatasync");
    return ok();
  }

  asio::any_io_executor executor_;
  Fd fd_;
  Sync* sync_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;
  bool stopped_ = false;
  bool writing_ = false;
  bool failed_ = false;  // of the thread alone
};

LinuxDurableFile::LinuxDurableFile(asio::any_io_executor executor, Clock& clock, Fd fd,
                                   std::size_t size, Sync* sync)
    : clock_(clock), size_(size),
      writer_(Writer::start(std::move(executor), std::move(fd), sync ? sync : ::fdatasync)) {}

LinuxDurableFile::~LinuxDurableFile() { writer_->stop(); }

Task<void> LinuxDurableFile::finished(std::shared_ptr<Job> job) {
  if (job->done) co_return;
  auto start = [job](Resume resume, asio::cancellation_slot slot) {
    if (slot.is_connected()) {
      slot.assign([job](asio::cancellation_type) {
        if (job->resume) std::exchange(job->resume, {})(asio::error::operation_aborted);
      });
    }
    job->resume = std::move(resume);
  };
  Task<void> woken = suspend(std::move(start));
  co_await std::move(woken);
}

Task<Result<void>> LinuxDurableFile::write(std::size_t offset, std::string bytes,
                                           Duration deadline) {
  using namespace asio::experimental::awaitable_operators;
  if (offset > size_ || bytes.size() > size_ - offset) {
    co_return Error(Code::invalid, "a write beyond the end of the file");
  }
  const BootTime latest = clock_.now() + deadline;
  auto job = std::make_shared<Job>();
  job->offset = offset;
  job->bytes = std::move(bytes);
  writer_->push(job);
  Task<void> done = finished(job);
  Task<void> alarm = clock_.sleep_until(latest);
  co_await (std::move(done) || std::move(alarm));
  if (!job->done) {
    co_return Error(Code::timeout, "the disk did not answer within " + format_duration(deadline));
  }
  co_return job->result;
}

}  // namespace ordeal::os
