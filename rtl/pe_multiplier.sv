// The fused multiplier: 64 bricks and 32 shift-add cells under one adder tree. Combinational.
// Every mode uses the same bricks and the same adders; only the shifts between levels differ.
module pe_multiplier (
    input  logic        [127:0] activation_digits_i,  // from pe_align_activation
    input  logic        [127:0] weight_digits_i,      // from pe_align_weight
    input  logic        [  1:0] activation_width_i,   // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input  logic        [  1:0] weight_width_i,       // 0, 1, 2, 3: 2, 4, 8, 16 bits; 1 in p4
    input  logic                activation_signed_i,
    input  logic                p4_i,
    output logic signed [ 31:0] sum_o                 // over all lanes of the mode
);

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

  // The unused half of the arithmetic sees zeros and does not switch.
  logic [127:0] brick_weights;

  assign brick_weights = weight_digits_i & {128{~p4_i}};

  // Sums of level n at [Width*j +: Width].
  logic [32*7-1:0]  brick_pairs;
  logic [32*9-1:0]  level1;
  logic [16*11-1:0] level2;
  logic [8*13-1:0]  level3;
  logic [4*17-1:0]  level4;
  logic [2*24-1:0]  level5;

  genvar j;
  generate
    for (j = 0; j < 32; j = j + 1) begin : gen_pair
      // Bricks 2j and 2j+1 share A and differ in W0.
      localparam integer A = (j & 1) | ((j >> 1) & 2) | ((j >> 2) & 4);
      localparam integer W = (j & 2) | ((j >> 1) & 4);

      logic signed [4:0] low_product;
      logic signed [4:0] high_product;
      logic signed [8:0] shifted;

      pe_brick u_low (
          .activation_i       (activation_digits_i[4*j+:2]),
          .activation_signed_i(activation_top[A]),
          .weight_i           (brick_weights[4*j+:2]),
          .weight_signed_i    (weight_top[W]),
          .product_o          (low_product)
      );
      pe_brick u_high (
          .activation_i       (activation_digits_i[4*j+2+:2]),
          .activation_signed_i(activation_top[A]),
          .weight_i           (brick_weights[4*j+2+:2]),
          .weight_signed_i    (weight_top[W+1]),
          .product_o          (high_product)
      );
      pe_fuse_add #(
          .InWidth (5),
          .OutWidth(7),
          .Shift   (2)
      ) u_pair (
          .low_i (low_product),
          .high_i(high_product),
          .fuse_i(fuse_weight[0]),
          .sum_o (brick_pairs[7*j+:7])
      );
      pe_shift_add u_shift_add (
          .activation_i       (activation_digits_i[4*j+:2] & {2{p4_i}}),
          .activation_signed_i(activation_top[A]),
          .code_i             (weight_digits_i[4*j+:4]),
          .product_o          (shifted)
      );
      // One of the two is zero.
      assign level1[9*j+:9] = {{2{brick_pairs[7*j+6]}}, brick_pairs[7*j+:7]} | shifted;
    end

    for (j = 0; j < 16; j = j + 1) begin : gen_level2
      pe_fuse_add #(
          .InWidth (9),
          .OutWidth(11),
          .Shift   (2)
      ) u_add (
          .low_i (level1[18*j+:9]),
          .high_i(level1[18*j+9+:9]),
          .fuse_i(fuse_activation[0]),
          .sum_o (level2[11*j+:11])
      );
    end

    for (j = 0; j < 8; j = j + 1) begin : gen_level3
      pe_fuse_add #(
          .InWidth (11),
          .OutWidth(13),
          .Shift   (4)
      ) u_add (
          .low_i (level2[22*j+:11]),
          .high_i(level2[22*j+11+:11]),
          .fuse_i(fuse_weight[1]),
          .sum_o (level3[13*j+:13])
      );
    end

    for (j = 0; j < 4; j = j + 1) begin : gen_level4
      pe_fuse_add #(
          .InWidth (13),
          .OutWidth(17),
          .Shift   (4)
      ) u_add (
          .low_i (level3[26*j+:13]),
          .high_i(level3[26*j+13+:13]),
          .fuse_i(fuse_activation[1]),
          .sum_o (level4[17*j+:17])
      );
    end

    for (j = 0; j < 2; j = j + 1) begin : gen_level5
      pe_fuse_add #(
          .InWidth (17),
          .OutWidth(24),
          .Shift   (8)
      ) u_add (
          .low_i (level4[34*j+:17]),
          .high_i(level4[34*j+17+:17]),
          .fuse_i(fuse_weight[2]),
          .sum_o (level5[24*j+:24])
      );
    end
  endgenerate

  pe_fuse_add #(
      .InWidth (24),
      .OutWidth(32),
      .Shift   (8)
  ) u_root (
      .low_i (level5[23:0]),
      .high_i(level5[47:24]),
      .fuse_i(fuse_activation[2]),
      .sum_o (sum_o)
  );

endmodule
