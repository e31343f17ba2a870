// One row of the output path: clamp(round((acc + bias) * multiplier * 2^-shift), low, high), exactly,
// in four register ranks. docs/rtl/output_path.md derives the widths.
module output_path_lane (
    input logic clk_i,

    // Each rank is loaded from the one before at the edge where its enable is high.
    input logic bias_en_i,
    input logic product_en_i,
    input logic round_en_i,
    input logic clamp_en_i,

    // Sampled with bias_en_i.
    input logic signed [47:0] acc_i,
    input logic signed [31:0] bias_i,
    input logic        [15:0] multiplier_i,
    input logic        [ 5:0] shift_i,       // 0 to 47
    input logic        [31:0] channel_i,     // number in the layer
    input logic        [31:0] position_i,    // y * width + x

    // The same for all columns of a RUN.
    input logic               stochastic_i,  // else half up
    input logic        [191:0] keys_i,       // of the hash, that of round n at [32n +: 32]
    input logic signed [16:0] low_i,
    input logic signed [16:0] high_i,

    output logic signed [16:0] value_o,
    output logic               saturated_o  // the clamp changed it, and not to a lower bound of 0
);

  // Bias, and the first half of the rounding hash.
  logic signed [48:0] sum_q;
  logic [15:0] multiplier_q;
  logic [5:0] bias_shift_q;
  logic [31:0] hash_x, hash_y, hash_x_q, hash_y_q;

  output_path_hash u_hash_first (
      .keys_i(keys_i[95:0]),
      .x_i   (channel_i),
      .y_i   (position_i),
      .x_o   (hash_x),
      .y_o   (hash_y)
  );

  always_ff @(posedge clk_i) begin
    if (bias_en_i) begin
      sum_q        <= {acc_i[47], acc_i} + {{17{bias_i[31]}}, bias_i};
      multiplier_q <= multiplier_i;
      bias_shift_q <= shift_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (bias_en_i & stochastic_i) begin
      hash_x_q <= hash_x;
      hash_y_q <= hash_y;
    end
  end

  // Product, of 64 bits: that of the sum's upper part carries the weight 2^24.
  logic        [39:0] low_product;
  logic signed [39:0] high_product;
  logic signed [39:0] product_high_q;
  logic        [23:0] product_low_q;
  logic        [ 5:0] product_shift_q;
  logic [31:0] hash_x2, hash_y2;
  logic [31:0] dither_q;  // what rounding adds, as a fraction of 32 bits

  assign low_product  = {16'd0, sum_q[23:0]} * {24'd0, multiplier_q};
  assign high_product = $signed({{15{sum_q[48]}}, sum_q[48:24]}) * $signed({24'd0, multiplier_q});

  output_path_hash u_hash_second (
      .keys_i(keys_i[191:96]),
      .x_i   (hash_x_q),
      .y_i   (hash_y_q),
      .x_o   (hash_x2),
      .y_o   (hash_y2)
  );

  always_ff @(posedge clk_i) begin
    if (product_en_i) begin
      product_high_q  <= high_product + {24'd0, low_product[39:24]};
      product_low_q   <= low_product[23:0];
      product_shift_q <= bias_shift_q;
      dither_q        <= stochastic_i ? hash_x2 ^ hash_y2 : 32'h8000_0000;
    end
  end

  // Shift and round. What the shift moves below the point is a fraction; only its 32 upper bits can
  // meet a bit of the dither and carry.
  logic [63:0] integer_in, fraction_in;
  logic signed [63:0] integer_part;
  logic [31:0] fraction, unused_fraction, unused_sum;
  logic carry;
  logic far, far_q, negative_q;
  logic signed [18:0] rounded_q;

  assign integer_in = product_shift_q[5] ?
                      {{32{product_high_q[39]}}, product_high_q[39:8]} :
                      {product_high_q, product_low_q};
  assign fraction_in = product_shift_q[5] ?
                       {product_high_q, product_low_q} :
                       {product_high_q[7:0], product_low_q, 32'd0};

  assign integer_part = $signed(integer_in) >>> product_shift_q[4:0];
  assign {unused_fraction, fraction} = fraction_in >> product_shift_q[4:0];
  assign {carry, unused_sum} = {1'b0, fraction} + {1'b0, dither_q};
  assign far          = integer_part[63:17] != {47{integer_part[63]}};

  always_ff @(posedge clk_i) begin
    if (round_en_i) begin
      rounded_q  <= {integer_part[17], integer_part[17:0]} + {18'd0, carry};
      far_q      <= far;
      negative_q <= product_high_q[39];
    end
  end

  // Clamp.
  logic above, below;
  logic signed [16:0] value_q;
  logic saturated_q;

  assign above = far_q ? ~negative_q : rounded_q > $signed({{2{high_i[16]}}, high_i});
  assign below = far_q ? negative_q : rounded_q < $signed({{2{low_i[16]}}, low_i});

  always_ff @(posedge clk_i) begin
    if (clamp_en_i) begin
      value_q     <= above ? high_i : below ? low_i : rounded_q[16:0];
      saturated_q <= above | (below & (low_i != 17'sd0));
    end
  end

  assign value_o     = value_q;
  assign saturated_o = saturated_q;

endmodule
