// Three of the six rounds of the rounding hash (abi::rounding_hash). Combinational.
module output_path_hash (
    input  logic [95:0] keys_i,  // that of round n at [32n +: 32]
    input  logic [31:0] x_i,
    input  logic [31:0] y_i,
    output logic [31:0] x_o,
    output logic [31:0] y_o
);

  logic [31:0] x1, x2, y1, y2;

  assign x1  = ({x_i[7:0], x_i[31:8]} + y_i) ^ keys_i[31:0];
  assign y1  = {y_i[28:0], y_i[31:29]} ^ x1;
  assign x2  = ({x1[7:0], x1[31:8]} + y1) ^ keys_i[63:32];
  assign y2  = {y1[28:0], y1[31:29]} ^ x2;
  assign x_o = ({x2[7:0], x2[31:8]} + y2) ^ keys_i[95:64];
  assign y_o = {y2[28:0], y2[31:29]} ^ x_o;

endmodule
