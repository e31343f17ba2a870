// Product of two 2-bit digits, each unsigned (0..3) or the signed top digit of an operand (-2..1),
// for N PEs abreast: plane b, at [N*b +: N], holds bit b of all N.
module pe_brick #(
    parameter integer N = 1
) (
    input  logic [2*N-1:0] activation_i,
    input  logic           activation_signed_i,
    input  logic [2*N-1:0] weight_i,
    input  logic           weight_signed_i,
    output logic [5*N-1:0] product_o  // -6..9
);

  logic [N-1:0] weight_sign;

  assign weight_sign = weight_i[N+:N] & {N{weight_signed_i}};

  // The high row counts twice, and of a signed digit as -2: its complement plus one.
  logic [4*N-1:0] low_row;
  logic [4*N-1:0] high_row;
  logic [4*N-1:0] sum;

  genvar b;
  generate
    for (b = 0; b < 4; b = b + 1) begin : gen_bit
      if (b == 0) begin : gen_value
        assign low_row[N*b+:N] = weight_i[N+:N] & activation_i[0+:N];
      end else begin : gen_sign
        assign low_row[N*b+:N] = weight_sign & activation_i[0+:N];
      end
      if (b < 2) begin : gen_high_value
        assign high_row[N*b+:N] =
            (weight_i[N*b+:N] & activation_i[N+:N]) ^ {N{activation_signed_i}};
      end else begin : gen_high_sign
        assign high_row[N*b+:N] =
            (weight_sign & activation_i[N+:N]) ^ {N{activation_signed_i}};
      end
      assign product_o[N*(b+1)+:N] = sum[N*b+:N];
    end
  endgenerate

  assign product_o[0+:N] = weight_i[0+:N] & activation_i[0+:N];

  pe_plane_add #(
      .N    (N),
      .Width(4)
  ) u_add (
      .a_i    (low_row),
      .b_i    (high_row),
      .carry_i({N{activation_signed_i}}),
      .sum_o  (sum)
  );

endmodule
