// Routes the digits of weight words to the bricks that multiply them.
// Brick b = {A2 W2 A1 W1 A0 W0}; its weight digit's index has, from the low bit up, the W bits
// within the operand, then the A bits and the W bits that count lanes.
// N words stand abreast: plane i, at [N*i +: N], holds bit i of all N.
module pe_align_weight #(
    parameter integer N = 1
) (
    input  logic [128*N-1:0] word_i,
    input  logic [      1:0] activation_width_i,  // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input  logic [      1:0] weight_width_i,      // 0, 1, 2, 3: 2, 4, 8, 16 bits
    output logic [128*N-1:0] digits_o             // digit of brick b at planes 2b and 2b+1
);

  genvar b, fa, fw;
  generate
    for (b = 0; b < 64; b = b + 1) begin : gen_brick
      localparam integer A = ((b >> 1) & 1) | ((b >> 2) & 2) | ((b >> 3) & 4);
      localparam integer W = (b & 1) | ((b >> 1) & 2) | ((b >> 2) & 4);

      for (fw = 0; fw < 4; fw = fw + 1) begin : gen_weight_width
        logic [2*N-1:0] chosen;

        for (fa = 0; fa < 4; fa = fa + 1) begin : gen_width
          localparam integer Digit =
              (W & ((1 << fw) - 1)) | ((A >> fa) << fw) | ((W >> fw) << (fw + 3 - fa));
          logic [2*N-1:0] digit;
          assign digit = word_i[2*N*Digit+:2*N];
        end

        assign chosen =
            activation_width_i[1] ?
            (activation_width_i[0] ? gen_width[3].digit : gen_width[2].digit) :
            (activation_width_i[0] ? gen_width[1].digit : gen_width[0].digit);
      end

      assign digits_o[2*N*b+:2*N] =
          weight_width_i[1] ?
          (weight_width_i[0] ? gen_weight_width[3].chosen : gen_weight_width[2].chosen) :
          (weight_width_i[0] ? gen_weight_width[1].chosen : gen_weight_width[0].chosen);
    end
  endgenerate

endmodule
