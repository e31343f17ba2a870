#include "compress/huffman.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <utility>

namespace tessera::compress {
namespace {

constexpr int kLengthBits = 6;

}  // namespace

std::vector<int> huffman_lengths(const std::vector<int64_t>& counts) {
  using Entry = std::pair<int64_t, size_t>;  // count and node; leaves come first
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> open;
  std::vector<size_t> parents(counts.size());
  for (size_t i = 0; i < counts.size(); ++i) open.emplace(counts[i], i);
  while (open.size() > 1) {
    const Entry a = open.top();
    open.pop();
    const Entry b = open.top();
    open.pop();
    parents[a.second] = parents[b.second] = parents.size();
    open.emplace(a.first + b.first, parents.size());
    parents.push_back(0);
  }
  // A parent stands behind its children; the root is the last.
  std::vector<int> depths(parents.size(), 0);
  for (size_t i = parents.size(); i-- > 0;) {
    if (i + 1 < parents.size()) depths[i] = depths[parents[i]] + 1;
  }
  depths.resize(counts.size());
  return depths;
}

int64_t huffman_size_bits(const std::vector<int16_t>& values, int bits) {
  std::map<int16_t, int64_t> occurrences;
  for (const int16_t value : values) ++occurrences[value];
  std::vector<int64_t> counts;
  for (const auto& [value, count] : occurrences) counts.push_back(count);
  const std::vector<int> lengths = huffman_lengths(counts);
  int64_t size = 1;
  for (size_t i = 0; i < counts.size(); ++i) size += counts[i] * lengths[i];
  const auto symbols = static_cast<int64_t>(counts.size());
  return size +
         std::min((int64_t{1} << bits) * kLengthBits, bits + 1 + symbols * (bits + kLengthBits));
}

}  // namespace tessera::compress
