// Carries of every adder, one full adder a bit: the same for all designs that are compared.
(* techmap_celltype = "$lcu" *)
module ripple_carry (P, G, CI, CO);
  parameter WIDTH = 2;
  input [WIDTH-1:0] P, G;
  input CI;
  output [WIDTH-1:0] CO;

  wire [WIDTH:0] carry = {CO, CI};
  genvar i;
  generate
    for (i = 0; i < WIDTH; i = i + 1) begin : gen_bit
      assign CO[i] = G[i] | (P[i] & carry[i]);
    end
  endgenerate
endmodule
