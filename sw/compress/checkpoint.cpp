#include "compress/checkpoint.hpp"

#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace tessera::compress {
namespace {

constexpr uint32_t kMagic = 0x4B435354;  // "TSCK"
constexpr uint32_t kVersion = 2;

struct Header {
  uint32_t magic, version;
  uint64_t size_bytes;
  uint32_t crc;
  uint32_t reserved;
};

uint32_t crc_of(const std::string& bytes) {
  return static_cast<uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void put(std::string& bytes, uint64_t value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put(std::string& bytes, const std::string& text) {
  put(bytes, text.size());
  bytes += text;
}

class Reader {
 public:
  Reader(const std::string& bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {}

  const char* take(uint64_t size_bytes) {
    if (size_bytes > bytes_.size() - position_) {
      throw std::runtime_error(path_ + ": corrupt checkpoint; delete it to start over");
    }
    const char* start = bytes_.data() + position_;
    position_ += size_bytes;
    return start;
  }
  uint64_t number() {
    uint64_t value = 0;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::string text() {
    const uint64_t size_bytes = number();
    return std::string(take(size_bytes), size_bytes);
  }

 private:
  const std::string& bytes_;
  std::string path_;
  uint64_t position_ = 0;
};

std::string encode(const Checkpoint& checkpoint) {
  std::string bytes;
  put(bytes, checkpoint.fingerprint);
  put(bytes, static_cast<uint64_t>(checkpoint.epochs_done));
  put(bytes, checkpoint.tensors.size());
  for (const auto& [name, values] : checkpoint.tensors) {
    put(bytes, name);
    put(bytes, values.size());
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  put(bytes, checkpoint.texts.size());
  for (const auto& [name, text] : checkpoint.texts) {
    put(bytes, name);
    put(bytes, text);
  }
  return bytes;
}

Checkpoint decode(const std::string& bytes, const std::string& path) {
  Reader reader(bytes, path);
  Checkpoint checkpoint;
  checkpoint.fingerprint = reader.text();
  checkpoint.epochs_done = static_cast<int>(reader.number());
  for (uint64_t left = reader.number(); left > 0; --left) {
    std::vector<float>& values = checkpoint.tensors[reader.text()];
    const uint64_t count = reader.number();
    const char* data = reader.take(count > bytes.size() ? UINT64_MAX : count * sizeof(float));
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), data, count * sizeof(float));
  }
  for (uint64_t left = reader.number(); left > 0; --left) {
    const std::string name = reader.text();
    checkpoint.texts[name] = reader.text();
  }
  return checkpoint;
}

}  // namespace

void write_checkpoint(const Checkpoint& checkpoint, const std::string& path) {
  const std::string bytes = encode(checkpoint);
  const Header header{kMagic, kVersion, bytes.size(), crc_of(bytes), 0};
  const std::string temporary = path + ".part";
  {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.flush();
    if (!file) throw std::runtime_error(temporary + ": cannot be written");
  }
  std::filesystem::rename(temporary, path);
}

std::optional<Checkpoint> read_checkpoint(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  Header header{};
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (bytes.size() < sizeof header || header.magic != kMagic || header.version != kVersion) {
    throw std::runtime_error(path + ": not a checkpoint of this version; delete it to start over");
  }
  bytes.erase(0, sizeof header);
  if (bytes.size() != header.size_bytes || crc_of(bytes) != header.crc) {
    throw std::runtime_error(path + ": truncated or corrupt checkpoint; delete it to start over");
  }
  return decode(bytes, path);
}

}  // namespace tessera::compress
