# The area section of a technology file, from lines "DESIGN PART UM2".
{ um2[$1, $2] = $3 }

function core(design) { return um2[design, "multiplier"] + um2[design, "accumulator"] }

# A PE of the array, and what stands once a row and once a column: half of the operand registers and an
# aligner each.
function line(key, design,    registers) {
  if (!((design, "total") in um2)) return
  registers = um2[design, "operand_registers"] / 2
  printf "  %s: {pe: %d, row: %d, column: %d}\n", key, core(design),
         registers + um2[design, "weight_aligner"], registers + um2[design, "activation_aligner"]
}

END {
  print "# Area of standard cells at 0.18 um (osu018, NAND2X1 = 24 um2), without wires and clock tree: of a PE,"
  print "# and of the aligner and operand registers that stand once a row and once a column."
  print "area_um2:"
  line("fused", "fused")
  for (width = 16; width >= 2; width /= 2) line("fixed_" width, "fixed_" width)
  for (width = 16; width >= 2; width /= 2) line("shift_add_" width, "shift_add_" width)
}
