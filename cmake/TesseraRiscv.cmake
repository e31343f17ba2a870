# Bare-metal programs for the host core.
#
# tessera_riscv_elf(boot SOURCES start.S main.cpp LINKER_SCRIPT ram.ld [INCLUDE dirs...]
#                   [OPTIONS compile options...] [LINK_OPTIONS options...] [DEPENDS files...])
# cross-compiles the sources (C, C++17, assembler) for RV32IMAC/ilp32, freestanding, and links them
# with picolibc and libgcc to ${CMAKE_CURRENT_BINARY_DIR}/boot.elf, without start files. The target
# `boot` builds it; its property TESSERA_ELF is the path. Headers that the sources include are
# tracked. "abi/x.hpp" is always on the include path.

find_program(TESSERA_RISCV_CC riscv64-unknown-elf-gcc)
find_program(TESSERA_RISCV_CXX riscv64-unknown-elf-g++)
mark_as_advanced(TESSERA_RISCV_CC TESSERA_RISCV_CXX)

# "_zicsr" in -march finds no 32-bit multilib, and without -misa-spec=2.2 the assembler refuses CSR
# instructions.
set(TESSERA_RISCV_ARCH --specs=picolibc.specs -march=rv32imac -misa-spec=2.2 -mabi=ilp32)
set(TESSERA_RISCV_COMPILE -O2 -g -ffreestanding -ffunction-sections -fdata-sections -Wall -Wextra)
set(TESSERA_RISCV_CXX_COMPILE -std=c++17 -fno-exceptions -fno-rtti -fno-threadsafe-statics
    -fno-use-cxa-atexit)

function(tessera_riscv_elf name)
  cmake_parse_arguments(ARG "" "LINKER_SCRIPT" "SOURCES;INCLUDE;OPTIONS;LINK_OPTIONS;DEPENDS" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tessera_riscv_elf(${name}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT ARG_SOURCES OR NOT ARG_LINKER_SCRIPT)
    message(FATAL_ERROR "tessera_riscv_elf(${name}) needs SOURCES and LINKER_SCRIPT")
  endif()
  if(NOT TESSERA_RISCV_CC OR NOT TESSERA_RISCV_CXX)
    message(FATAL_ERROR "riscv64-unknown-elf-g++ not found: install gcc-riscv64-unknown-elf and "
                        "picolibc-riscv64-unknown-elf, or configure with -DTESSERA_FIRMWARE=OFF")
  endif()

  set(includes -I${CMAKE_BINARY_DIR}/include/abi)
  foreach(dir ${ARG_INCLUDE})
    cmake_path(ABSOLUTE_PATH dir BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    list(APPEND includes -I${dir})
  endforeach()

  set(objects)
  foreach(source ${ARG_SOURCES})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
    cmake_path(GET source FILENAME file)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.elf.dir/${file}.o)
    if(object IN_LIST objects)
      message(FATAL_ERROR "tessera_riscv_elf(${name}): two sources are named ${file}")
    endif()
    if(file MATCHES "\\.(cpp|cc)$")
      set(compile ${TESSERA_RISCV_CXX} ${TESSERA_RISCV_CXX_COMPILE})
    else()
      set(compile ${TESSERA_RISCV_CC})
    endif()
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/${name}.elf.dir
      COMMAND ${compile} ${TESSERA_RISCV_ARCH} ${TESSERA_RISCV_COMPILE} ${includes} ${ARG_OPTIONS}
              -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
      DEPENDS ${source}
      DEPFILE ${object}.d
      COMMENT "Cross-compiling ${name}: ${file}"
      COMMAND_EXPAND_LISTS VERBATIM)
    list(APPEND objects ${object})
  endforeach()

  set(script ${ARG_LINKER_SCRIPT})
  cmake_path(ABSOLUTE_PATH script BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set(elf ${CMAKE_CURRENT_BINARY_DIR}/${name}.elf)
  add_custom_command(OUTPUT ${elf}
    COMMAND ${TESSERA_RISCV_CC} ${TESSERA_RISCV_ARCH} -nostartfiles -nodefaultlibs
            -T ${script} -Wl,--gc-sections -Wl,-Map=${CMAKE_CURRENT_BINARY_DIR}/${name}.map
            ${ARG_LINK_OPTIONS} ${objects} -lc -lgcc -o ${elf}
    DEPENDS ${objects} ${script} ${ARG_DEPENDS}
    COMMENT "Linking ${name}.elf"
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(${name} ALL DEPENDS ${elf})
  set_target_properties(${name} PROPERTIES TESSERA_ELF ${elf})
endfunction()
