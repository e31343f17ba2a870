// Product of two 2-bit digits, each unsigned (0..3) or the signed top digit of an operand (-2..1).
module pe_brick (
    input  logic       [1:0] activation_i,
    input  logic             activation_signed_i,
    input  logic       [1:0] weight_i,
    input  logic             weight_signed_i,
    output logic signed [4:0] product_o  // -6..9
);

  logic [4:0] weight;
  logic [4:0] low_row;
  logic [4:0] high_row;

  // The high row of a signed digit counts as -2: add its complement plus one.
  assign weight   = {{3{weight_signed_i & weight_i[1]}}, weight_i};
  assign low_row  = weight & {5{activation_i[0]}};
  assign high_row = {weight[3:0], 1'b0} & {5{activation_i[1]}};

  assign product_o = low_row + (high_row ^ {5{activation_signed_i}}) + {4'b0000, activation_signed_i};

endmodule
