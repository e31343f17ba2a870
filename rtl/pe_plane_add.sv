// Adds N pairs of numbers that stand abreast, with a ripple of full adders: plane b, at [N*b +: N],
// holds bit b of all N. A carry in and no carry out.
module pe_plane_add #(
    parameter integer N     = 1,
    parameter integer Width = 8
) (
    input  logic [N*Width-1:0] a_i,
    input  logic [N*Width-1:0] b_i,
    input  logic [      N-1:0] carry_i,
    output logic [N*Width-1:0] sum_o
);

  genvar b;
  generate
    for (b = 0; b < Width; b = b + 1) begin : gen_bit
      logic [N-1:0] carry;
      logic [N-1:0] half;

      if (b == 0) begin : gen_first
        assign carry = carry_i;
      end else begin : gen_next
        assign carry = (a_i[N*(b-1)+:N] & b_i[N*(b-1)+:N]) |
                       (gen_bit[b-1].half & gen_bit[b-1].carry);
      end

      assign half = a_i[N*b+:N] ^ b_i[N*b+:N];
      assign sum_o[N*b+:N] = half ^ carry;
    end
  endgenerate

endmodule
