# Mutants of the RTL PE: each is the RTL with one edit, Verilated, linked with the co-simulation
# in the place of the true one, and must be found by it.

set(rtl_dir ${PROJECT_SOURCE_DIR}/rtl)
file(GLOB pe_rtl CONFIGURE_DEPENDS ${rtl_dir}/pe*.sv)
list(FILTER pe_rtl EXCLUDE REGEX pe_array)

add_library(pe_mutant_cosim OBJECT
  ${rtl_dir}/pe_cosim.cpp ${rtl_dir}/pe_coverage.cpp ${rtl_dir}/pe_fault.cpp
  ${rtl_dir}/pe_stimulus.cpp pe_mutant_test.cpp)
target_include_directories(pe_mutant_cosim PRIVATE ${CMAKE_BINARY_DIR}/include/rtl)
target_link_libraries(pe_mutant_cosim PRIVATE tessera_pe GTest::gtest)

# tessera_pe_mutant(NAME FILE FROM TO): FROM, which must occur in FILE, becomes TO.
function(tessera_pe_mutant name file from to)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/mutant_${name})
  set(sources ${rtl_dir}/pe_access.vlt)
  foreach(source ${pe_rtl})
    get_filename_component(base ${source} NAME)
    if(base STREQUAL file)
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
      file(READ ${source} original)
      string(REPLACE "${from}" "${to}" mutated "${original}")
      if(mutated STREQUAL original)
        message(FATAL_ERROR "PE mutant ${name}: '${from}' does not occur in ${source}")
      endif()
      file(CONFIGURE OUTPUT ${dir}/${base} CONTENT "${mutated}" @ONLY)
      set(source ${dir}/${base})
    endif()
    list(APPEND sources ${source})
  endforeach()

  tessera_test(pe_mutant_${name}
    SOURCES ${rtl_dir}/verilated_pe.cpp $<TARGET_OBJECTS:pe_mutant_cosim>
    LINK tessera_pe
    LABELS cosim)
  # No -Wall: an edit may leave a signal unused.
  verilate(pe_mutant_${name}
    SOURCES ${sources}
    TOP_MODULE pe
    PREFIX Vpe
    DIRECTORY ${dir}/verilated
    VERILATOR_ARGS --no-timing -Wno-fatal -O3)
  target_include_directories(pe_mutant_${name} PRIVATE ${CMAKE_BINARY_DIR}/include/rtl)
  target_compile_options(pe_mutant_${name} PRIVATE -O1 -w
    $<$<BOOL:${TESSERA_SANITIZE}>:-fno-sanitize=all>)
endfunction()

tessera_pe_mutant(dropped_weight_sign pe_brick.sv
  "weight_i[N+:N] & {N{weight_signed_i}}" "{N{1'b0}}")
tessera_pe_mutant(wrong_fuse_level pe_octet.sv
  ".fuse_i(fuse_weight_i[1])" ".fuse_i(fuse_activation_i)")
tessera_pe_mutant(p4_one_taken_for_zero pe.sv
  "p4_i | (|weight_digits)" "|weight_digits")
tessera_pe_mutant(overflow_survives_clear pe_core.sv
  "(overflow_q & ~{N{clear_q}})" "overflow_q")
tessera_pe_mutant(capture_before_the_step pe_core.sv
  "shadow_q[N*b+:N] <= acc_d;" "shadow_q[N*b+:N] <= acc_q[N*b+:N];")
