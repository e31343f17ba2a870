// A 2-bit activation digit times a p4 weight +-2^(6-e), by negation and shift alone.
module pe_shift_add (
    input  logic       [1:0] activation_i,
    input  logic             activation_signed_i,
    input  logic       [3:0] code_i,     // {sign, exponent e}; e = 7 is a weight of zero
    output logic signed [8:0] product_o  // -192..192
);

  logic [3:0] digit;
  logic [3:0] negated;
  logic [8:0] extended;

  assign digit    = {{2{activation_signed_i & activation_i[1]}}, activation_i};
  assign negated  = (digit ^ {4{code_i[3]}}) + {3'b000, code_i[3]};
  assign extended = {{5{negated[3]}}, negated};

  assign product_o = (extended << (3'd6 - code_i[2:0])) & {9{code_i[2:0] != 3'd7}};

endmodule
