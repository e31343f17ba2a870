# Finds the SystemC library (Debian ships neither a CMake package nor a .pc file).
# Provides the target SystemC::systemc. The library exports its C++17 API symbol only.
find_path(SystemC_INCLUDE_DIR systemc.h)
find_library(SystemC_LIBRARY systemc)
if(SystemC_INCLUDE_DIR)
  file(STRINGS ${SystemC_INCLUDE_DIR}/sysc/kernel/sc_ver.h version_lines
       REGEX "#define SC_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+")
  string(REGEX REPLACE ".*MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCH +([0-9]+).*" "\\1.\\2.\\3"
         SystemC_VERSION "${version_lines}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SystemC REQUIRED_VARS SystemC_LIBRARY SystemC_INCLUDE_DIR
                                  VERSION_VAR SystemC_VERSION)
if(SystemC_FOUND AND NOT TARGET SystemC::systemc)
  find_package(Threads REQUIRED)
  add_library(SystemC::systemc UNKNOWN IMPORTED)
  set_target_properties(SystemC::systemc PROPERTIES
    IMPORTED_LOCATION ${SystemC_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SystemC_INCLUDE_DIR}
    INTERFACE_COMPILE_DEFINITIONS SC_INCLUDE_DYNAMIC_PROCESSES
    INTERFACE_LINK_LIBRARIES Threads::Threads)
endif()
