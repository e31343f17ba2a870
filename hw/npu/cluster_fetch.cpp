#include "npu/cluster.hpp"

namespace tessera::npu {

void Cluster::start_list(uint32_t words) {
  while (!failed() && fetcher_.busy()) wait(list_end_);
  if (failed() || words == 0) return;
  account();
  accounting_.set_fetch_busy(true);
  fetcher_.start(list_address_, words);
  fetch_event_.notify(sc_core::SC_ZERO_TIME);
  review_watchdog();
}

/// The list has been delivered, or is forgotten.
void Cluster::end_list() {
  account();
  accounting_.set_fetch_busy(false);
  fetcher_.clear();
  list_end_.notify(sc_core::SC_ZERO_TIME);
}

void Cluster::fetch_thread() {
  std::array<uint32_t, CommandFetcher::kPieceWords> words{};
  while (true) {
    const auto piece = fetcher_.next_piece();
    if (!piece) {
      wait(fetch_event_);
      continue;
    }
    const uint32_t epoch = epoch_;
    reading_list_ = true;
    const dma::TransferResult result =
        list_dma_.transfer({piece->address, uint64_t{piece->words} * sizeof(uint32_t), 1, 1, 0, 0},
                           dma::Direction::kRead, {reinterpret_cast<uint8_t*>(words.data())});
    reading_list_ = false;
    if (epoch != epoch_) continue;
    if (!result.ok()) {
      const auto address = static_cast<uint32_t>(result.failing_address);
      fail(abi::Engine::kFetch, {abi::NpuError::kBusError, address}, fetcher_.tag());
      continue;
    }
    fetcher_.arrived(words.data());
    deliver_event_.notify(sc_core::SC_ZERO_TIME);
  }
}

void Cluster::deliver_thread() {
  constexpr uint64_t kCyclesAWord = 1;
  while (true) {
    const uint32_t epoch = epoch_;
    if (!fetcher_.has_word()) {
      wait(deliver_event_);
    } else if (wait_cycles(kCyclesAWord, epoch)) {
      deliver_word(epoch);
    }
  }
}

void Cluster::deliver_word(uint32_t epoch) {
  const auto engine = fetcher_.receiver();
  if (!engine) {
    return fail(abi::Engine::kFetch, {abi::NpuError::kBadOpcode, fetcher_.word()}, fetcher_.tag());
  }
  EngineState& e = state(*engine);
  while (e.fifo.space_words() == 0) {
    blocked_at_ = *engine;
    review_watchdog();
    wait(e.space);
    blocked_at_.reset();
    if (epoch != epoch_) return;
  }
  const uint32_t word = fetcher_.word();
  if (fetcher_.deliver()) {
    EventCounts events;
    events.dram_bytes_read = fetcher_.command_bytes();
    accounting_.count(abi::tag_layer(fetcher_.tag()), events);
  }
  push_word(*engine, word);
  if (!fetcher_.busy()) end_list();
  fetch_event_.notify(sc_core::SC_ZERO_TIME);
  update_interrupt();
}

}  // namespace tessera::npu
