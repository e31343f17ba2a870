#include "npu/cluster.hpp"

#include <sstream>

#include "npu/model_array.hpp"

namespace tessera::npu {

namespace {

std::string engines_of(uint32_t mask) {
  std::string text;
  for (uint32_t i = 0; i < abi::kEngineCount; ++i) {
    if ((mask >> i & 1) == 0) continue;
    if (!text.empty()) text += " and ";
    text += abi::name_of(static_cast<abi::Engine>(i));
  }
  return text;
}

std::string place_of(uint32_t tag) {
  return "layer " + std::to_string(abi::tag_layer(tag)) + ", command " +
         std::to_string(tag & 0xFFFF);
}

}  // namespace

Cluster::Cluster(const sc_core::sc_module_name& name, const chip::Chip& chip,
                 common::TimingMode timing, std::unique_ptr<ArrayBackend> array)
    : sc_module(name),
      registers("registers"),
      load_bus("load_bus"),
      store_bus("store_bus"),
      list_bus("list_bus"),
      npu_(chip.npu),
      clock_(chip.period_ps()),
      memories_(chip.npu.scratchpads),
      compute_unit_(chip.npu, memories_, array ? std::move(array) : std::make_unique<ModelArray>()),
      load_dma_("load_dma", clock_, chip.dma, timing),
      store_dma_("store_dma", clock_, chip.dma, timing),
      list_dma_("list_dma", clock_, chip.dma, timing),
      decoder_(chip.npu.decoder_lanes, chip.noc.width_bytes) {
  SC_HAS_PROCESS(Cluster);
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    engines_[i] = std::make_unique<EngineState>(static_cast<abi::Engine>(i), npu_.fifo_words);
  }
  load_dma_.socket.bind(load_bus);
  store_dma_.socket.bind(store_bus);
  list_dma_.socket.bind(list_bus);
  registers.register_b_transport(this, &Cluster::b_transport);
  registers.register_transport_dbg(this, &Cluster::transport_dbg);
  SC_THREAD(load_thread);
  SC_THREAD(compute_thread);
  SC_THREAD(store_thread);
  SC_THREAD(fetch_thread);
  SC_THREAD(deliver_thread);
  SC_METHOD(watchdog);
  sensitive << watchdog_event_;
  dont_initialize();
}

ClusterStatistics Cluster::statistics() {
  account();
  collect_events(true);
  return accounting_.statistics();
}

std::string Cluster::error_text() const {
  if (!failed()) return {};
  std::ostringstream text;
  text << name() << ": " << abi::name_of(error_.engine) << " engine: " << abi::name_of(error_.cause)
       << " (info 0x" << std::hex << error_.info << ") at " << place_of(error_.tag);
  return text.str();
}

std::string Cluster::status_text() const {
  std::string text;
  for (std::size_t i = 0; i < engines_.size(); ++i) {
    const EngineState& e = *engines_[i];
    if (i != 0) text += "; ";
    text += std::string(abi::name_of(static_cast<abi::Engine>(i))) + ": ";
    switch (e.activity) {
      case Activity::kIdle:
        text += failed() ? "stopped by an error" : "idle";
        break;
      case Activity::kWorking:
        text += "works on " + place_of(e.command.tag);
        break;
      case Activity::kWaiting:
        text += "waits for a token of " + engines_of(e.missing) + " for " + place_of(e.command.tag);
    }
  }
  if (blocked_at_) {
    text += "; fetch: waits at the full FIFO of " + std::string(abi::name_of(*blocked_at_));
  } else if (fetcher_.busy()) {
    text += "; fetch: behind " + place_of(fetcher_.tag());
  }
  return text;
}

}  // namespace tessera::npu
