#include "array_choice.hpp"

#include <optional>
#include <systemc>

#include "command.hpp"
#ifdef TESSERA_HAS_RTL
#include "rtl/lockstep.hpp"
#include "rtl/replay.hpp"
#endif

namespace tessera::platform {

#ifdef TESSERA_HAS_RTL

/// What backends leave behind: the simulation that owns them may be gone when it is asked for.
struct ArrayChoice::State {
  std::optional<rtl::ArrayFault> fault;
  std::optional<rtl::StoredRun> run;
  std::optional<rtl::Divergence> divergence;
  bool fault_struck = false;
  uint64_t runs = 0, tiles = 0, values = 0, cycles = 0;
};

namespace {

/// Leaves a note of every RUN with the choice.
template <typename State>
class NotingLockstep final : public npu::ArrayBackend {
 public:
  NotingLockstep(uint32_t rows, uint32_t columns, std::shared_ptr<State> state)
      : array_(rows, columns), state_(std::move(state)) {
    if (state_->fault) array_.rtl().inject(*state_->fault);
    array_.on_divergence([this] {
      state_->divergence = array_.divergence();
      state_->run = array_.diverged_run();
      sc_core::sc_stop();
    });
  }

  npu::ArrayResult run(const npu::ArrayRun& run, npu::ArrayClient& client) override {
    const npu::ArrayResult result = array_.run(run, client);
    state_->runs = array_.runs();
    state_->tiles = array_.tiles();
    state_->values = array_.results();
    state_->cycles = array_.cycles();
    state_->fault_struck = array_.rtl().fault_struck();
    return result;
  }

 private:
  rtl::LockstepArray array_;
  std::shared_ptr<State> state_;
};

}  // namespace

ArrayChoice::ArrayChoice(const std::string& name, const std::string& fault,
                         std::string divergence_prefix)
    : name_(name),
      divergence_prefix_(std::move(divergence_prefix)),
      state_(std::make_shared<State>()) {
  if (name != "model" && name != "rtl" && name != "lockstep") {
    throw UsageError("--array must be model, rtl or lockstep, got " + name);
  }
  if (fault.empty()) return;
  if (name != "lockstep")
    throw UsageError("--inject needs --array lockstep, which finds the fault");
  state_->fault = rtl::parse_array_fault(fault);
}

std::function<std::unique_ptr<npu::ArrayBackend>(uint32_t, uint32_t)> ArrayChoice::factory() const {
  if (name_ == "model") return {};
  if (name_ == "rtl") {
    return [](uint32_t rows, uint32_t columns) {
      return std::make_unique<rtl::RtlArray>(rows, columns);
    };
  }
  return [state = state_](uint32_t rows, uint32_t columns) {
    return std::make_unique<NotingLockstep<State>>(rows, columns, state);
  };
}

bool ArrayChoice::diverged() const { return state_->divergence.has_value(); }

std::string ArrayChoice::explain_divergence() const {
  const std::string replay_path = divergence_prefix_ + ".replay.json";
  const std::string waveform_path = divergence_prefix_ + ".fst";
  rtl::write_stored_run(*state_->run, replay_path);
  const rtl::ReplayResult replay = rtl::replay(*state_->run, waveform_path);
  const std::string text =
      "RTL and model differ in " + state_->divergence->text() + "\n(" + state_->run->name() + ")\n";
  if (!replay.divergence) {
    return text + "the RUN alone (" + replay_path +
           ") does not differ: it takes what went before to see it";
  }
  return text + "alone: " + rtl::text_of(replay) + "\nto see it again: tessera cosim --replay " +
         replay_path + "; waveforms: " + waveform_path;
}

void ArrayChoice::require_no_fault() const {
  if (!state_->fault) return;
  throw RunFailed("the fault " + rtl::to_string(*state_->fault) +
                  (state_->fault_struck ? " changed no value and no cycle"
                                        : " never struck: there was no such RUN or cycle"));
}

boost::json::value ArrayChoice::compared() const {
  if (name_ != "lockstep") return nullptr;
  return boost::json::object{{"runs", state_->runs},     {"tiles", state_->tiles},
                             {"values", state_->values}, {"cycles", state_->cycles},
                             {"value_differences", 0},   {"cycle_differences", 0}};
}

#else

struct ArrayChoice::State {};

ArrayChoice::ArrayChoice(const std::string& name, const std::string& fault, std::string) {
  if (name == "rtl" || name == "lockstep") {
    throw UsageError("this build has no RTL: configure with TESSERA_RTL=ON for --array " + name);
  }
  if (name != "model") throw UsageError("--array must be model, got " + name);
  if (!fault.empty()) throw UsageError("--inject needs --array lockstep");
}

std::function<std::unique_ptr<npu::ArrayBackend>(uint32_t, uint32_t)> ArrayChoice::factory() const {
  return {};
}

bool ArrayChoice::diverged() const { return false; }
std::string ArrayChoice::explain_divergence() const { return {}; }
void ArrayChoice::require_no_fault() const {}
boost::json::value ArrayChoice::compared() const { return nullptr; }

#endif

ArrayChoice::~ArrayChoice() = default;

}  // namespace tessera::platform
