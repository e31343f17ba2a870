#include "common/worker.hpp"

#include <utility>

namespace tessera::common {

Worker::~Worker() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  pushed_one_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Worker::Ticket Worker::push(std::function<void()> work) {
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    works_.push(std::move(work));
  }
  pushed_one_.notify_one();
  return ++pushed_;
}

void Worker::wait(Ticket ticket) {
  std::unique_lock<std::mutex> lock(mutex_);
  done_one_.wait(lock, [&] { return done_ >= ticket; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

bool Worker::done(Ticket ticket) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return done_ >= ticket;
}

void Worker::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    pushed_one_.wait(lock, [this] { return stop_ || !works_.empty(); });
    if (stop_) return;
    const std::function<void()> work = std::move(works_.front());
    works_.pop();
    lock.unlock();
    std::exception_ptr error;
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error) error_ = error;
    ++done_;
    done_one_.notify_one();
  }
}

}  // namespace tessera::common
