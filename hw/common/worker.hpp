#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <queue>
#include <thread>

namespace tessera::common {

/// A thread beside the simulation's that does pieces of work one after the other.
class Worker {
 public:
  using Ticket = uint64_t;  ///< the pieces from 1 on, in order

  Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Waits for the piece under way; what is behind it is dropped.
  ~Worker();

  Ticket push(std::function<void()> work);
  /// Returns when that piece and all before it are done. Throws what one of them threw.
  void wait(Ticket ticket);
  void wait_for_all() { wait(pushed_); }
  bool done(Ticket ticket) const;
  bool idle() const { return done(pushed_); }

 private:
  void run();

  Ticket pushed_ = 0;  ///< the caller's
  mutable std::mutex mutex_;
  std::condition_variable pushed_one_, done_one_;
  std::queue<std::function<void()>> works_;
  Ticket done_ = 0;
  std::exception_ptr error_;
  bool stop_ = false;
  std::thread thread_;  ///< from the first piece on
};

}  // namespace tessera::common
