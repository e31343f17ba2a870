// A 2-bit activation digit times a p4 weight +-2^(6-e), by negation and shift alone, for N PEs
// abreast: plane b, at [N*b +: N], holds bit b of all N.
module pe_shift_add #(
    parameter integer N = 1
) (
    input  logic [2*N-1:0] activation_i,
    input  logic           activation_signed_i,
    input  logic [4*N-1:0] code_i,    // {sign, exponent e}; e = 7 is zero
    output logic [9*N-1:0] product_o  // -192..192
);

  logic [N-1:0] e0, e1, e2, nonzero, negate;

  assign e0      = code_i[0+:N];
  assign e1      = code_i[N+:N];
  assign e2      = code_i[2*N+:N];
  assign nonzero = ~(e0 & e1 & e2);
  assign negate  = code_i[3*N+:N];

  // Minus the digit: its bits above the lowest one that is set, inverted.
  logic [N-1:0] digit_sign;
  logic [3*N-1:0] digit;

  assign digit_sign    = activation_i[N+:N] & {N{activation_signed_i}};
  assign digit[0+:N]   = activation_i[0+:N];
  assign digit[N+:N]   = activation_i[N+:N] ^ (negate & activation_i[0+:N]);
  assign digit[2*N+:N] = digit_sign ^ (negate & (activation_i[0+:N] | activation_i[N+:N]));

  // Shifted left by 7-e, whose bits are those of e inverted, and right by 1.
  logic [4*N-1:0] by_1;
  logic [6*N-1:0] by_3;

  genvar b;
  generate
    for (b = 0; b < 4; b = b + 1) begin : gen_by_1
      if (b == 0) begin : gen_low
        assign by_1[N*b+:N] = digit[N*b+:N] & e0;
      end else begin : gen_high
        assign by_1[N*b+:N] = (digit[N*(b<3?b:2)+:N] & e0) | (digit[N*(b-1)+:N] & ~e0);
      end
    end
    for (b = 0; b < 6; b = b + 1) begin : gen_by_3
      if (b < 2) begin : gen_low
        assign by_3[N*b+:N] = by_1[N*b+:N] & e1;
      end else begin : gen_high
        assign by_3[N*b+:N] = (by_1[N*(b<4?b:3)+:N] & e1) | (by_1[N*(b-2)+:N] & ~e1);
      end
    end
    for (b = 0; b < 9; b = b + 1) begin : gen_by_7
      if (b < 3) begin : gen_low
        assign product_o[N*b+:N] = by_3[N*(b+1)+:N] & e2 & nonzero;
      end else begin : gen_high
        assign product_o[N*b+:N] =
            ((by_3[N*(b<5?b+1:5)+:N] & e2) | (by_3[N*(b-3)+:N] & ~e2)) & nonzero;
      end
    end
  endgenerate

endmodule
