// Sum of LANES products at one width. Combinational: what pe_multiplier is without a choice.
module fixed_dot #(
    parameter integer ACTIVATION_WIDTH = 8,
    parameter integer WEIGHT_WIDTH     = 8,
    parameter integer LANES            = 4,
    parameter integer SUM_WIDTH        = 18  // activation and weight width + log2(LANES)
) (
    input  logic        [ACTIVATION_WIDTH*LANES-1:0] activations_i,
    input  logic        [    WEIGHT_WIDTH*LANES-1:0] weights_i,            // signed
    input  logic                                     activation_signed_i,
    output logic signed [             SUM_WIDTH-1:0] sum_o
);

  logic [SUM_WIDTH*LANES-1:0] products;

  genvar l;
  generate
    for (l = 0; l < LANES; l = l + 1) begin : gen_lane
      // One bit more holds either kind of activation.
      logic signed [ACTIVATION_WIDTH:0] activation;
      logic signed [WEIGHT_WIDTH-1:0] weight;
      logic signed [SUM_WIDTH-1:0] product;

      assign activation = {
        activation_signed_i & activations_i[ACTIVATION_WIDTH*(l+1)-1],
        activations_i[ACTIVATION_WIDTH*l+:ACTIVATION_WIDTH]
      };
      assign weight = weights_i[WEIGHT_WIDTH*l+:WEIGHT_WIDTH];
      assign product = SUM_WIDTH'(activation) * SUM_WIDTH'(weight);
      assign products[SUM_WIDTH*l+:SUM_WIDTH] = product;
    end
  endgenerate

  integer i;

  always_comb begin
    sum_o = {SUM_WIDTH{1'b0}};
    for (i = 0; i < LANES; i = i + 1) sum_o = sum_o + products[SUM_WIDTH*i+:SUM_WIDTH];
  end

endmodule
