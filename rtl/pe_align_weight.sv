// Routes the digits of a weight word to the bricks that multiply them.
// Brick b = {A2 W2 A1 W1 A0 W0}; its weight digit's index has, from the low bit up, the W bits
// within the operand, then the A bits and the W bits that count lanes.
module pe_align_weight (
    input  logic [127:0] word_i,
    input  logic [  1:0] activation_width_i,  // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input  logic [  1:0] weight_width_i,      // 0, 1, 2, 3: 2, 4, 8, 16 bits
    output logic [127:0] digits_o             // digit of brick b at bits [2b+1:2b]
);

  genvar b, fa, fw;
  generate
    for (b = 0; b < 64; b = b + 1) begin : gen_brick
      localparam integer A = ((b >> 1) & 1) | ((b >> 2) & 2) | ((b >> 3) & 4);
      localparam integer W = (b & 1) | ((b >> 1) & 2) | ((b >> 2) & 4);
      logic [31:0] candidates;

      for (fw = 0; fw < 4; fw = fw + 1) begin : gen_weight_width
        for (fa = 0; fa < 4; fa = fa + 1) begin : gen_activation_width
          localparam integer Digit =
              (W & ((1 << fw) - 1)) | ((A >> fa) << fw) | ((W >> fw) << (fw + 3 - fa));
          assign candidates[2*(4*fw+fa)+:2] = word_i[2*Digit+:2];
        end
      end

      assign digits_o[2*b+:2] = candidates[{weight_width_i, activation_width_i, 1'b0}+:2];
    end
  endgenerate

endmodule
