# From what scripts/synth measured to its tables, its JSON report and the energies of models/tech.
# Usage: awk -v json=FILE -v yaml=FILE -f figures.awk AREAS FPGA ACTIVITIES
# Lines: "DESIGN PART UM2"; "DESIGN OUTPUT_PATH DSP LUT FF CARRY4"; "DESIGN MODE OPERANDS STEPS ACTIVE
# MULTIPLIER ACCUMULATOR ACTIVATION_ALIGNER WEIGHT_ALIGNER REGISTERS" in pJ a step, and as many of clock.
BEGIN {
  nand2_um2 = 24
  anchor_pj = 0.2 # 8-bit integer multiply at 45 nm
  edge = 16       # rows and columns that share operand registers and aligners in the tables
  areas = fpgas = rows = 0
}

FNR == 1 { file++ }
file == 1 { um2[$1, $2] = $3; if (!($1 in seen)) { seen[$1] = 1; design[areas++] = $1 } next }
file == 2 { fpga[fpgas++] = $1 "/" $2; for (i = 3; i <= 6; i++) primitive[$1, $2, i] = $i; next }
{
  key = $1 SUBSEP $2
  if (!(key in known)) { known[key] = 1; row_design[rows] = $1; row_mode[rows++] = $2 }
  active[key, $3] = $5 / $4
  multiplier[key, $3] = $6
  accumulator[key, $3] = $7
  registers = $10 / 2
  activation_word[key, $3] = $8 + registers
  weight_word[key, $3] = $9 + registers
}

# Least squares of the multiplier's energy a step over the active MACs a step: step_pj and mac_pj.
function fit(key,    i, n, x, y, sx, sy, sxx, sxy, error) {
  n = split("z0 z25 z50 z75", operands, " ")
  sx = sy = sxx = sxy = 0
  for (i = 1; i <= n; i++) {
    x = active[key, operands[i]]; y = multiplier[key, operands[i]]
    sx += x; sy += y; sxx += x * x; sxy += x * y
  }
  mac_pj = (n * sxy - sx * sy) / (n * sxx - sx * sx)
  step_pj = (sy - mac_pj * sx) / n
  worst = 0
  for (i = 1; i <= n; i++) {
    y = multiplier[key, operands[i]]
    error = (step_pj + mac_pj * active[key, operands[i]]) / y - 1
    if (error < 0) error = -error
    if (error > worst) worst = error
  }
}

function mean(table, key) {
  return (table[key, "z0"] + table[key, "z25"] + table[key, "z50"] + table[key, "z75"]) / 4
}

# Of a PE and its share of the edges, a step.
function pe_pj(key, kind) {
  return multiplier[key, kind] + accumulator[key, kind] + \
         (activation_word[key, kind] + weight_word[key, kind]) / edge
}

function lanes(mode,    w) {
  split(mode, w, "x")
  return (16 / w[1]) * (16 / (w[2] == "p4" ? 4 : w[2]))
}

# The fixed design that does a mode, and its own mode.
function fixed_key(mode,    w, width) {
  split(mode, w, "x")
  if (w[2] == "p4") return "shift_add_" w[1] SUBSEP mode
  width = w[1] + 0 > w[2] + 0 ? w[1] : w[2]
  return "fixed_" width SUBSEP width "x" width
}

# Energy a MAC of the fused PE over that of the fixed one.
function ratio(mode, kind,    fixed, part) {
  fixed = fixed_key(mode)
  split(fixed, part, SUBSEP)
  return (pe_pj("fused" SUBSEP mode, kind) / lanes(mode)) / (pe_pj(fixed, kind) / lanes(part[2]))
}

function core(name) { return um2[name, "multiplier"] + um2[name, "accumulator"] }

function energies(key, mode) {
  fit(key)
  printf "  %s: {step: %.4g, mac: %.4g, accumulate: %.4g, activation_word: %.4g, weight_word: %.4g}\n",
         mode, scale * step_pj, scale * mac_pj, scale * mean(accumulator, key),
         scale * mean(activation_word, key), scale * mean(weight_word, key) > yaml
}

function area_table(    i, name) {
  print "Area at 0.18 um, um2 (osu018; NAND2 = 24 um2)"
  printf "%-22s %10s %11s %9s %9s %10s %8s\n", "PE", "multiplier", "accumulator", "aligners",
         "registers", "total", "NAND2"
  for (i = 0; i < areas; i++) {
    name = design[i]
    if (name == "fused_without_shadow") continue
    printf "%-22s %10d %11d %9d %9d %10d %8d\n", name, um2[name, "multiplier"],
           um2[name, "accumulator"], um2[name, "activation_aligner"] + um2[name, "weight_aligner"],
           um2[name, "operand_registers"], um2[name, "total"], um2[name, "total"] / nand2_um2 + 0.5
  }
  printf "the fused PE's shadow register: %d of its accumulator\n",
         um2["fused", "accumulator"] - um2["fused_without_shadow", "accumulator"]
}

function fpga_table(    i, part) {
  print "\n16x16 PEs of one MAC a cycle on a 7-series FPGA, without and with the output path"
  printf "%-18s %6s %6s %7s %7s %7s\n", "array", "path", "DSP48", "LUT", "FF", "CARRY4"
  for (i = 0; i < fpgas; i++) {
    split(fpga[i], part, "/")
    printf "%-18s %6s %6d %7d %7d %7d\n", part[1], part[2] ? "yes" : "no",
           primitive[part[1], part[2], 3], primitive[part[1], part[2], 4],
           primitive[part[1], part[2], 5], primitive[part[1], part[2], 6]
  }
}

function energy_table(    i, mode, key) {
  printf "\nEnergy at 0.18 um, pJ; 45 nm: times %.5f, from %.3f pJ of an 8-bit multiplication\n", scale,
         multiplier["fixed_8_single", "8x8", "uniform"]
  printf "%-8s %28s %28s %9s\n", "", "fused PE, a MAC", "over the fixed PE of the width", "residual"
  printf "%-8s %9s %9s %8s %9s %9s %8s %9s\n", "mode", "uniform", "0% zero", "50%", "uniform", "0% zero",
         "50%", "of fit"
  for (i = 0; i < rows; i++) {
    if (row_design[i] != "fused") continue
    mode = row_mode[i]
    key = "fused" SUBSEP mode
    fit(key)
    printf "%-8s %9.2f %9.2f %8.2f %9.2f %9.2f %8.2f %8.1f%%\n", mode, pe_pj(key, "uniform") / lanes(mode),
           pe_pj(key, "z0") / lanes(mode), pe_pj(key, "z50") / lanes(mode), ratio(mode, "uniform"),
           ratio(mode, "z0"), ratio(mode, "z50"), 100 * worst
  }
}

function write_json(    i, name, part, key, n, parts, comma) {
  printf "{\n  \"schema\": \"tessera-synth\",\n  \"schema_version\": 1,\n" > json
  printf "  \"scale_to_45_nm\": %.6f,\n  \"area_um2\": {\n", scale > json
  n = split("multiplier accumulator activation_aligner weight_aligner operand_registers total", parts, " ")
  for (i = 0; i < areas; i++) {
    name = design[i]
    printf "    \"%s\": {", name > json
    comma = ""
    for (part = 1; part <= n; part++) {
      if ((name, parts[part]) in um2) {
        printf "%s\"%s\": %d", comma, parts[part], um2[name, parts[part]] > json
        comma = ", "
      }
    }
    printf "}%s\n", i + 1 < areas ? "," : "" > json
  }
  printf "  },\n  \"fpga_16x16\": [\n" > json
  for (i = 0; i < fpgas; i++) {
    split(fpga[i], part_of, "/")
    printf "    {\"array\": \"%s\", \"output_path\": %s, \"dsp48e1\": %d, \"lut\": %d, \"ff\": %d, \"carry4\": %d}%s\n",
           part_of[1], part_of[2] ? "true" : "false", primitive[part_of[1], part_of[2], 3],
           primitive[part_of[1], part_of[2], 4], primitive[part_of[1], part_of[2], 5],
           primitive[part_of[1], part_of[2], 6], i + 1 < fpgas ? "," : "" > json
  }
  printf "  ],\n  \"energy_pj_0_18_um\": [\n" > json
  for (i = 0; i < rows; i++) {
    key = row_design[i] SUBSEP row_mode[i]
    fit(key)
    printf "    {\"design\": \"%s\", \"mode\": \"%s\", \"multiplier_step\": %.5g, \"multiplier_mac\": %.5g, \"accumulate\": %.5g, \"activation_word\": %.5g, \"weight_word\": %.5g, \"fit_residual\": %.4f, \"uniform_step\": %.5g}%s\n",
           row_design[i], row_mode[i], step_pj, mac_pj, mean(accumulator, key),
           mean(activation_word, key), mean(weight_word, key), worst, pe_pj(key, "uniform"),
           i + 1 < rows ? "," : "" > json
  }
  printf "  ]\n}\n" > json
}

function write_yaml(    i) {
  print "# Energy, pJ. step: multiplier of a PE, a step, whatever the operands; mac: and for each MAC without a" > yaml
  print "# zero operand; accumulate: the rest of a PE, a step; words: aligner and registers of an operand word," > yaml
  print "# once a row or column and step. Keys: activation x weight bits." > yaml
  print "fused_pe_pj:" > yaml
  for (i = 0; i < rows; i++) {
    if (row_design[i] == "fused") energies("fused" SUBSEP row_mode[i], row_mode[i])
  }
  print "# The same of PEs of equal throughput that have this one mode." > yaml
  print "fixed_pe_pj:" > yaml
  for (i = 0; i < rows; i++) {
    if (row_design[i] !~ /fused|single/) energies(row_design[i] SUBSEP row_mode[i], row_mode[i])
  }
}

END {
  scale = anchor_pj / multiplier["fixed_8_single", "8x8", "uniform"]
  area_table()
  fpga_table()
  energy_table()
  write_json()
  write_yaml()
}
