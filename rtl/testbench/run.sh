#!/bin/sh
# Compiles the RTL with its test bench and runs the vectors. Needs Icarus Verilog.
set -e
cd "$(dirname "$0")"
iverilog -g2012 -s compute_array_tb -o compute_array_tb.vvp compute_array_tb.v rtl/*.sv
vvp -n compute_array_tb.vvp | tee compute_array_tb.log
grep -q '^PASS' compute_array_tb.log
