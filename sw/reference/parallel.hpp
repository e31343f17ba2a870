#pragma once

#include <cstddef>
#include <functional>

namespace tessera::reference {

/// Calls body(i) for every i in 0..count-1, in any order, on `threads` threads (0: one a core).
/// The first exception ends the loop and is thrown to the caller.
void parallel_for(size_t count, int threads, const std::function<void(size_t)>& body);

/// Of the threads of this process, each computes its own matrix products: OpenBLAS uses no others.
void keep_products_in_their_threads();

}  // namespace tessera::reference
