// The fused multiplier: 64 bricks and 32 shift-add cells under one adder tree. Combinational.
// Every mode uses the same bricks and the same adders; only the shifts between levels differ.
// ROWS x COLUMNS PEs stand abreast, those of a row with the same weights and those of a column with
// the same activations, all in the same mode. Numbers lie in planes: plane b holds bit b of all rows,
// of all columns, or of all PEs, PE (r, c) at COLUMNS*r + c.
// So a gate is one operation on a plane.
module pe_multiplier #(
    parameter integer ROWS    = 1,
    parameter integer COLUMNS = 1
) (
    input  logic [    128*COLUMNS-1:0] activation_digits_i,  // from pe_align_activation
    input  logic [       128*ROWS-1:0] weight_digits_i,      // from pe_align_weight
    input  logic [                1:0] activation_width_i,   // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input  logic [                1:0] weight_width_i,       // the same; 1 in p4
    input  logic                       activation_signed_i,
    input  logic                       p4_i,
    output logic [32*ROWS*COLUMNS-1:0] sum_o  // over all lanes, two's complement
);

  localparam integer N = ROWS * COLUMNS;

  // Whether tree level k joins two parts of one operand: its width is above 2^(k+1) bits.
  logic [2:0] fuse_activation;
  logic [2:0] fuse_weight;

  assign fuse_activation = {
    activation_width_i == 2'd3, activation_width_i[1], activation_width_i != 2'd0
  };
  assign fuse_weight = {weight_width_i == 2'd3, weight_width_i[1], weight_width_i != 2'd0};

  // Digit i (0..7) is the top digit of its operand if all index bits within the operand are set.
  logic [7:0] activation_top;
  logic [7:0] weight_top;

  genvar i;
  generate
    for (i = 0; i < 8; i = i + 1) begin : gen_top
      localparam [2:0] Index = i;
      assign activation_top[i] = activation_signed_i & (&(Index | ~fuse_activation));
      assign weight_top[i]     = &(Index | ~fuse_weight);
    end
  endgenerate

  // Sums of level n: bit b of sum j at plane Width*j + b.
  logic [8*13*N-1:0] level3;
  logic [4*17*N-1:0] level4;
  logic [2*24*N-1:0] level5;

  genvar b, j;
  generate
    for (j = 0; j < 8; j = j + 1) begin : gen_octet
      // Index bits {A2 W2 A1} of its bricks.
      localparam integer A = 2 * (j & 1) + (j & 4);
      localparam integer W = 2 * (j & 2);
      logic [13*N-1:0] sum;

      pe_octet #(
          .ROWS   (ROWS),
          .COLUMNS(COLUMNS)
      ) u_octet (
          .activation_digits_i(activation_digits_i[16*COLUMNS*j+:16*COLUMNS]),
          .weight_digits_i    (weight_digits_i[16*ROWS*j+:16*ROWS]),
          .activation_top_i   (activation_top[A+:2]),
          .weight_top_i       (weight_top[W+:4]),
          .fuse_weight_i      (fuse_weight[1:0]),
          .fuse_activation_i  (fuse_activation[0]),
          .p4_i               (p4_i),
          .sum_o              (sum)
      );

      for (b = 0; b < 13; b = b + 1) begin : gen_out
        assign level3[N*(13*j+b)+:N] = sum[N*b+:N];
      end
    end

    for (j = 0; j < 4; j = j + 1) begin : gen_level4
      logic [13*N-1:0] low;
      logic [13*N-1:0] high;
      logic [17*N-1:0] sum;

      for (b = 0; b < 13; b = b + 1) begin : gen_in
        assign low[N*b+:N]  = level3[N*(26*j+b)+:N];
        assign high[N*b+:N] = level3[N*(26*j+13+b)+:N];
      end
      for (b = 0; b < 17; b = b + 1) begin : gen_out
        assign level4[N*(17*j+b)+:N] = sum[N*b+:N];
      end

      pe_fuse_add #(
          .N       (N),
          .InWidth (13),
          .OutWidth(17),
          .Shift   (4)
      ) u_add (
          .low_i (low),
          .high_i(high),
          .fuse_i(fuse_activation[1]),
          .sum_o (sum)
      );
    end

    for (j = 0; j < 2; j = j + 1) begin : gen_level5
      logic [17*N-1:0] low;
      logic [17*N-1:0] high;
      logic [24*N-1:0] sum;

      for (b = 0; b < 17; b = b + 1) begin : gen_in
        assign low[N*b+:N]  = level4[N*(34*j+b)+:N];
        assign high[N*b+:N] = level4[N*(34*j+17+b)+:N];
      end
      for (b = 0; b < 24; b = b + 1) begin : gen_out
        assign level5[N*(24*j+b)+:N] = sum[N*b+:N];
      end

      pe_fuse_add #(
          .N       (N),
          .InWidth (17),
          .OutWidth(24),
          .Shift   (8)
      ) u_add (
          .low_i (low),
          .high_i(high),
          .fuse_i(fuse_weight[2]),
          .sum_o (sum)
      );
    end

    for (j = 0; j < 1; j = j + 1) begin : gen_level6
      logic [24*N-1:0] low;
      logic [24*N-1:0] high;
      logic [32*N-1:0] sum;

      for (b = 0; b < 24; b = b + 1) begin : gen_in
        assign low[N*b+:N]  = level5[N*(48*j+b)+:N];
        assign high[N*b+:N] = level5[N*(48*j+24+b)+:N];
      end
      for (b = 0; b < 32; b = b + 1) begin : gen_out
        assign sum_o[N*(32*j+b)+:N] = sum[N*b+:N];
      end

      pe_fuse_add #(
          .N       (N),
          .InWidth (24),
          .OutWidth(32),
          .Shift   (8)
      ) u_add (
          .low_i (low),
          .high_i(high),
          .fuse_i(fuse_activation[2]),
          .sum_o (sum)
      );
    end
  endgenerate

endmodule
