#pragma once

#include <algorithm>
#include <cstdint>
#include <systemc>
#include <utility>
#include <vector>

namespace tessera::common {

/// Things to do at given times, first by time, then in the order they were pushed. The owner makes
/// a process sensitive to `event()` and calls `pop` until it returns false; the event is then set
/// for the next item.
template <typename Item>
class TimedQueue {
 public:
  /// Due at `when`, or in the next delta cycle if that is now or past.
  void push(const sc_core::sc_time& when, Item item) {
    heap_.push_back({when, next_number_++, std::move(item)});
    std::push_heap(heap_.begin(), heap_.end(), Later());
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    event_.notify(when > now ? when - now : sc_core::SC_ZERO_TIME);
  }

  /// Takes the first item that is due.
  bool pop(Item& item) {
    if (heap_.empty()) return false;
    const sc_core::sc_time now = sc_core::sc_time_stamp();
    if (heap_.front().when > now) {
      event_.notify(heap_.front().when - now);
      return false;
    }
    std::pop_heap(heap_.begin(), heap_.end(), Later());
    item = std::move(heap_.back().item);
    heap_.pop_back();
    return true;
  }

  bool empty() const { return heap_.empty(); }
  sc_core::sc_event& event() { return event_; }

 private:
  struct Entry {
    sc_core::sc_time when;
    uint64_t number;
    Item item;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.when != b.when ? a.when > b.when : a.number > b.number;
    }
  };

  std::vector<Entry> heap_;
  uint64_t next_number_ = 0;
  sc_core::sc_event event_;
};

}  // namespace tessera::common
