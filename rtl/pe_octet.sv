// An eighth of the fused multiplier: 8 bricks and 4 shift-add cells under the lowest three levels
// of the adder tree, which join over the index bits W0, A0 and W1.
// ROWS x COLUMNS PEs stand abreast, those of a row with the same weights and those of a column with
// the same activations, all in the same mode. Numbers lie in planes: plane b holds bit b of all rows,
// of all columns, or of all PEs, PE (r, c) at COLUMNS*r + c.
module pe_octet #(
    parameter integer ROWS    = 1,
    parameter integer COLUMNS = 1
) (
    input  logic [     16*COLUMNS-1:0] activation_digits_i,  // digit of brick b: planes 2b, 2b+1
    input  logic [        16*ROWS-1:0] weight_digits_i,
    input  logic [                1:0] activation_top_i,     // digit A0 is the signed top digit
    input  logic [                3:0] weight_top_i,         // the same of digit {W1 W0}
    input  logic [                1:0] fuse_weight_i,        // levels W0, W1 join parts of a weight
    input  logic                       fuse_activation_i,    // level A0 does
    input  logic                       p4_i,
    output logic [13*ROWS*COLUMNS-1:0] sum_o                 // two's complement
);

  localparam integer N = ROWS * COLUMNS;

  logic [16*N-1:0] activations;
  logic [16*N-1:0] weights;

  genvar b, j, r;
  generate
    for (b = 0; b < 16; b = b + 1) begin : gen_plane
      logic [N-1:0] plane;

      for (r = 0; r < ROWS; r = r + 1) begin : gen_row
        assign plane[COLUMNS*r+:COLUMNS] = {COLUMNS{weight_digits_i[ROWS*b+r]}};
      end
      assign weights[N*b+:N]     = plane;
      assign activations[N*b+:N] = {ROWS{activation_digits_i[COLUMNS*b+:COLUMNS]}};
    end
  endgenerate

  // Sums of level n: bit b of sum j at plane Width*j + b.
  logic [4*9*N-1:0] level1;
  logic [2*11*N-1:0] level2;

  generate
    for (j = 0; j < 4; j = j + 1) begin : gen_pair
      // Bricks 2j and 2j+1 share A and differ in W0.
      localparam integer A = j & 1;
      localparam integer W = j & 2;

      // The unused half of the arithmetic sees zeros and does not switch.
      logic [2*N-1:0] activation_low;
      logic [2*N-1:0] activation_high;
      logic [2*N-1:0] weight_low;
      logic [2*N-1:0] weight_high;
      logic [2*N-1:0] shift_activation;
      logic [4*N-1:0] shift_code;

      for (b = 0; b < 2; b = b + 1) begin : gen_bit
        assign activation_low[N*b+:N] = activations[N*(4*j+b)+:N];
        assign activation_high[N*b+:N] = activations[N*(4*j+2+b)+:N];
        assign weight_low[N*b+:N] = weights[N*(4*j+b)+:N] & {N{~p4_i}};
        assign weight_high[N*b+:N] = weights[N*(4*j+2+b)+:N] & {N{~p4_i}};
        assign shift_activation[N*b+:N] = activations[N*(4*j+b)+:N] & {N{p4_i}};
        assign shift_code[N*b+:N] = weights[N*(4*j+b)+:N];
        assign shift_code[N*(b+2)+:N] = weights[N*(4*j+b+2)+:N];
      end

      logic [5*N-1:0] low_product;
      logic [5*N-1:0] high_product;
      logic [7*N-1:0] pair;
      logic [9*N-1:0] shifted;

      pe_brick #(
          .N(N)
      ) u_low (
          .activation_i       (activation_low),
          .activation_signed_i(activation_top_i[A]),
          .weight_i           (weight_low),
          .weight_signed_i    (weight_top_i[W]),
          .product_o          (low_product)
      );
      pe_brick #(
          .N(N)
      ) u_high (
          .activation_i       (activation_high),
          .activation_signed_i(activation_top_i[A]),
          .weight_i           (weight_high),
          .weight_signed_i    (weight_top_i[W+1]),
          .product_o          (high_product)
      );
      pe_fuse_add #(
          .N       (N),
          .InWidth (5),
          .OutWidth(7),
          .Shift   (2)
      ) u_pair (
          .low_i (low_product),
          .high_i(high_product),
          .fuse_i(fuse_weight_i[0]),
          .sum_o (pair)
      );
      pe_shift_add #(
          .N(N)
      ) u_shift_add (
          .activation_i       (shift_activation),
          .activation_signed_i(activation_top_i[A]),
          .code_i             (shift_code),
          .product_o          (shifted)
      );

      // One of the two is zero.
      for (b = 0; b < 9; b = b + 1) begin : gen_either
        assign level1[N*(9*j+b)+:N] = pair[N*(b<7?b:6)+:N] | shifted[N*b+:N];
      end
    end

    for (j = 0; j < 2; j = j + 1) begin : gen_level2
      logic [9*N-1:0] low;
      logic [9*N-1:0] high;
      logic [11*N-1:0] sum;

      for (b = 0; b < 9; b = b + 1) begin : gen_in
        assign low[N*b+:N]  = level1[N*(18*j+b)+:N];
        assign high[N*b+:N] = level1[N*(18*j+9+b)+:N];
      end
      for (b = 0; b < 11; b = b + 1) begin : gen_out
        assign level2[N*(11*j+b)+:N] = sum[N*b+:N];
      end

      pe_fuse_add #(
          .N       (N),
          .InWidth (9),
          .OutWidth(11),
          .Shift   (2)
      ) u_add (
          .low_i (low),
          .high_i(high),
          .fuse_i(fuse_activation_i),
          .sum_o (sum)
      );
    end

    for (j = 0; j < 1; j = j + 1) begin : gen_level3
      logic [11*N-1:0] low;
      logic [11*N-1:0] high;
      logic [13*N-1:0] sum;

      for (b = 0; b < 11; b = b + 1) begin : gen_in
        assign low[N*b+:N]  = level2[N*(22*j+b)+:N];
        assign high[N*b+:N] = level2[N*(22*j+11+b)+:N];
      end
      for (b = 0; b < 13; b = b + 1) begin : gen_out
        assign sum_o[N*(13*j+b)+:N] = sum[N*b+:N];
      end

      pe_fuse_add #(
          .N       (N),
          .InWidth (11),
          .OutWidth(13),
          .Shift   (4)
      ) u_add (
          .low_i (low),
          .high_i(high),
          .fuse_i(fuse_weight_i[1]),
          .sum_o (sum)
      );
    end
  endgenerate

endmodule
