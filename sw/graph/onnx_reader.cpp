#include <filesystem>
#include <fstream>
#include <limits>
#include <new>

#include "graph/onnx_importer.hpp"
#include "graph/onnx_io.hpp"
#include "graph/text.hpp"

namespace tessera::graph {

Graph parse_onnx(const std::string& bytes, const std::string& path_for_messages) {
  try {
    if (bytes.size() > static_cast<size_t>(std::numeric_limits<int>::max())) {
      fail("files above 2 GiB are not supported");
    }
    onnx::ModelProto model;
    if (bytes.empty() || !model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      fail("this is no ONNX file, or it is truncated");
    }
    const std::string folder = std::filesystem::path(path_for_messages).parent_path().string();
    return OnnxImporter(model, folder.empty() ? "." : folder).run();
  } catch (const std::bad_alloc&) {
    fail(path_for_messages, ": importing it needs more memory than there is");
  } catch (const std::exception& error) {
    fail(path_for_messages, ": ", error.what());
  }
}

Graph read_onnx(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) fail(path, ": there is no such file");
  if (std::filesystem::is_directory(status)) fail(path, ": is a folder, not an ONNX file");
  if (!std::filesystem::is_regular_file(status)) fail(path, ": is no regular file");
  std::ifstream file(path, std::ios::binary);
  const auto size_bytes = std::filesystem::file_size(path, error);
  if (!file || error || size_bytes > static_cast<uintmax_t>(std::numeric_limits<int>::max())) {
    fail(path, ": cannot be read, or is larger than 2 GiB");
  }
  std::string bytes(size_bytes, '\0');
  if (!file.read(bytes.data(), static_cast<std::streamsize>(size_bytes))) {
    fail(path, ": reading it failed");
  }
  return parse_onnx(bytes, path);
}

}  // namespace tessera::graph
