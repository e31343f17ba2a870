# cmake -DOUTPUT=x.cpp -DFILES="a.sv;b.sv" -P embed_rtl.cmake: writes the definition of rtl_files().
set(entries "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND entries "      {\"${name}\", R\"rtl(${text})rtl\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"rtl/rtl_files.hpp\"

namespace tessera::rtl {

const std::vector<RtlFile>& rtl_files() {
  static const std::vector<RtlFile> files = {
${entries}  };
  return files;
}

}  // namespace tessera::rtl
")
