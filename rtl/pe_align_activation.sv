// Routes the digits of an activation word to the bricks that multiply them.
// Brick b = {A2 W2 A1 W1 A0 W0}; of its activation digit's index only the weight width matters.
module pe_align_activation (
    input  logic [127:0] word_i,
    input  logic [  1:0] weight_width_i,  // 0, 1, 2, 3: 2, 4, 8, 16 bits
    output logic [127:0] digits_o         // digit of brick b at bits [2b+1:2b]
);

  genvar b, fw;
  generate
    for (b = 0; b < 64; b = b + 1) begin : gen_brick
      localparam integer A = ((b >> 1) & 1) | ((b >> 2) & 2) | ((b >> 3) & 4);
      localparam integer W = (b & 1) | ((b >> 1) & 2) | ((b >> 2) & 4);

      logic [7:0] candidates;

      for (fw = 0; fw < 4; fw = fw + 1) begin : gen_weight_width
        assign candidates[2*fw+:2] = word_i[2*(A+8*(W>>fw))+:2];
      end

      assign digits_o[2*b+:2] = candidates[{weight_width_i, 1'b0}+:2];
    end
  endgenerate

endmodule
