# Makes the nets of a flat netlist of liberty cells observable, and says what their toggles cost.
# Usage: awk -v energy=FILE -f net_energy.awk LIBERTY NETLIST > OBSERVABLE_NETLIST
# The netlist gets a port nets_o of 32-bit words, one bit for every net and part of the design that
# has pins on it.
# FILE gets "net PART PJ" a bit, from bit 0 up, then "clock PART PJ": the energy of the clock pins of
# a part's flip-flops in a cycle.
#
# A toggle of a net costs half C V^2 of the input pins on it, the mean of a rise and a fall of what
# the liberty calls internal power of the cell that drives it, and the same for input pins that have
# internal power of their own. Internal power is read at the operating point below. A cell belongs to
# a part by the instances that it came from.
BEGIN {
  nets = 0
  volts = 1.8
  load_row = 3    # of the tables' 5 or 6: 0.025 pF
  slew_column = 2 # 0.18 ns
}

function part_of(instance) {
  if (instance ~ /^u_core_(u_multiplier|gen_[a-z_]*_u_dot)_/) return "multiplier"
  if (instance ~ /^u_core_/) return "accumulator"
  if (instance ~ /^u_align_activation_/) return "activation_aligner"
  if (instance ~ /^u_align_weight_/) return "weight_aligner"
  return "operand_registers"
}

function number(text) { sub(/.*: */, "", text); sub(/;.*/, "", text); return text + 0 }
function word(text) { sub(/.*\( */, "", text); sub(/ *\).*/, "", text); return text }
function quoted(text) { sub(/^[^"]*"/, "", text); sub(/".*/, "", text); return text }

# An output's internal power counts for the pins that switch it in operation, not for set and reset.
function take(line,    values) {
  if (related == "R" || related == "S") return
  split(line, values, /, */)
  internal[cell, pin] += values[slew_column]
  tables[cell, pin]++
}

# Liberty: one group or attribute a line.
FNR == NR {
  if ($0 ~ /^cell \(/) { cell = word($0); pin = "" }
  else if ($0 ~ /^ *pin\(/) { pin = word($0); in_power = 0 }
  else if ($1 == "direction" && $3 ~ /output/) is_output[cell, pin] = 1
  else if ($1 == "clock" && $3 ~ /true/) is_clock[cell, pin] = 1
  else if ($1 == "capacitance") capacitance[cell, pin] = number($0)
  else if ($1 == "timing()") in_power = 0
  else if ($1 ~ /^internal_power/) { in_power = 1; related = "" }
  else if (in_power && $1 == "related_pin") related = quoted($0)
  else if (in_power && $1 ~ /^(rise|fall)_power/) { row = 0; passive = ($1 ~ /passive/); in_table = 1 }
  else if (in_power && in_table && passive && $1 ~ /^values/) { take(quoted($0)); in_table = 0 }
  else if (in_power && in_table && $1 !~ /^(values|index)/ && /"/ && ++row == load_row) {
    take(quoted($0))
    in_table = 0
  }
  next
}

# Netlist: instances, one connection a line.
/^module netlist/ { sub(/\(/, "(nets_o, ") }
/^  [A-Z][A-Z0-9]+ [^ ]+ +\($/ { kind = $1; part = part_of($2) }
/^    \./ {
  port = $1; sub(/^\./, "", port); sub(/\(.*/, "", port)
  net = $0; sub(/^[^(]*\(/, "", net); sub(/\),?$/, "", net); gsub(/ /, "", net)
  if (!((kind, port) in capacitance)) {
    print "net_energy.awk: the liberty has no pin " port " of " kind > "/dev/stderr"
    exit failed = 1
  }
  if ((kind, port) in is_clock) {
    clock[part] += capacitance[kind, port] * volts * volts + internal[kind, port]
  } else if (net !~ /^1'/) {
    if (!((part, net) in toggle)) { order_part[nets] = part; order_net[nets] = net; nets++ }
    cost = ((kind, port) in is_output) ? 0 : 0.5 * capacitance[kind, port] * volts * volts
    if ((kind, port) in tables) cost += internal[kind, port] / tables[kind, port]
    toggle[part, net] += cost
  }
}

# Words of an array: Verilator joins the parts of a vector to one concatenation, which takes a time
# that goes with the square of its length.
/^endmodule/ {
  words = int((nets + 31) / 32)
  printf "  output [31:0] nets_o [0:%d];\n", words - 1
  for (i = 0; i < 32 * words; i += 32) {
    list = ""
    for (j = i + 31; j >= i; j--) list = list (j < nets ? order_net[j] : "1'b0") (j > i ? ", " : "")
    printf "  assign nets_o[%d] = {%s};\n", i / 32, list
  }
}
{ print }

END {
  if (failed) exit 1
  for (i = 0; i < nets; i++) {
    printf "net %s %.6g\n", order_part[i], toggle[order_part[i], order_net[i]] > energy
  }
  for (part in clock) printf "clock %s %.6g\n", part, clock[part] > energy
}
