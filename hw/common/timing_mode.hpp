#pragma once

namespace tessera::common {

/// How initiators move data: four-phase non-blocking transport with real queueing, or blocking
/// transport with annotated delays.
enum class TimingMode { kApproximatelyTimed, kLooselyTimed };

}  // namespace tessera::common
