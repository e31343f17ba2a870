// Sum of LANES activations times p4 weights +-2^(6-e), by negation, shift and addition alone.
module shift_add_dot #(
    parameter integer ACTIVATION_WIDTH = 8,
    parameter integer LANES            = 8,
    parameter integer SUM_WIDTH        = 18  // activation width + 7 + log2(LANES)
) (
    input  logic        [ACTIVATION_WIDTH*LANES-1:0] activations_i,
    input  logic        [               4*LANES-1:0] codes_i,              // {sign, exponent e}; e = 7: 0
    input  logic                                     activation_signed_i,
    output logic signed [             SUM_WIDTH-1:0] sum_o
);

  logic [SUM_WIDTH*LANES-1:0] products;

  genvar l;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : gen_lane
      logic [3:0] code;
      logic [ACTIVATION_WIDTH+1:0] activation;
      logic [ACTIVATION_WIDTH+1:0] negated;
      logic [SUM_WIDTH-1:0] extended;

      assign code = codes_i[4*l+:4];
      assign activation = {
        {2{activation_signed_i & activations_i[ACTIVATION_WIDTH*(l+1)-1]}},
        activations_i[ACTIVATION_WIDTH*l+:ACTIVATION_WIDTH]
      };
      assign negated = (activation ^ {(ACTIVATION_WIDTH + 2) {code[3]}}) +
                       {{(ACTIVATION_WIDTH + 1) {1'b0}}, code[3]};
      assign extended = {{(SUM_WIDTH - ACTIVATION_WIDTH - 2) {negated[ACTIVATION_WIDTH+1]}}, negated};
      assign products[SUM_WIDTH*l+:SUM_WIDTH] =
          (extended << (3'd6 - code[2:0])) & {SUM_WIDTH{code[2:0] != 3'd7}};
    end
  endgenerate

  integer i;

  always_comb begin
    sum_o = {SUM_WIDTH{1'b0}};
    for (i = 0; i < LANES; i = i + 1) sum_o = sum_o + products[SUM_WIDTH*i+:SUM_WIDTH];
  end

endmodule
