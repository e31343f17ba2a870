// The output path of ROWS channels: a column of accumulators becomes a column of results, one a cycle,
// four edges later.
module output_path #(
    parameter integer ROWS      = 16,
    parameter integer TAG_WIDTH = 1
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    // The same for all columns that are under way; low <= high, within -32768 to 65535.
    input logic               stochastic_i,  // else half up
    input logic        [31:0] seed_i,
    input logic signed [16:0] low_i,
    input logic signed [16:0] high_i,

    // A column; it is taken at the edge where valid and ready are high.
    input  logic                 column_valid_i,
    output logic                 column_ready_o,  // does not depend on column_valid_i
    input  logic [  48*ROWS-1:0] acc_i,           // row r at [48r +: 48], signed
    input  logic [  32*ROWS-1:0] bias_i,          // signed
    input  logic [  16*ROWS-1:0] multiplier_i,
    input  logic [   6*ROWS-1:0] shift_i,         // 0 to 47
    input  logic [         31:0] channel_i,       // number in the layer of row 0
    input  logic [         31:0] position_i,      // y * width + x
    input  logic [TAG_WIDTH-1:0] tag_i,           // comes out with the results

    // A column of results. valid stays high, and the results as they are, until ready is high for one
    // cycle; the columns behind wait.
    output logic                 result_valid_o,
    input  logic                 result_ready_i,
    output logic [  17*ROWS-1:0] value_o,         // row r at [17r +: 17], signed
    output logic [     ROWS-1:0] saturated_o,     // the clamp changed it, and not to a lower bound of 0
    output logic [TAG_WIDTH-1:0] tag_o
);

  // A rank moves on if the column that waits at the end does.
  logic advance;
  logic bias_valid_q, product_valid_q, round_valid_q, result_valid_q;
  logic bias_en, product_en, round_en, clamp_en;

  assign advance        = ~result_valid_q | result_ready_i;
  assign column_ready_o = advance;
  assign bias_en        = advance & column_valid_i;
  assign product_en     = advance & bias_valid_q;
  assign round_en       = advance & product_valid_q;
  assign clamp_en       = advance & round_valid_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      bias_valid_q    <= 1'b0;
      product_valid_q <= 1'b0;
      round_valid_q   <= 1'b0;
      result_valid_q  <= 1'b0;
    end else if (advance) begin
      bias_valid_q    <= column_valid_i;
      product_valid_q <= bias_valid_q;
      round_valid_q   <= product_valid_q;
      result_valid_q  <= round_valid_q;
    end
  end

  logic [TAG_WIDTH-1:0] bias_tag_q, product_tag_q, round_tag_q, result_tag_q;

  always_ff @(posedge clk_i) begin
    if (bias_en) bias_tag_q <= tag_i;
    if (product_en) product_tag_q <= bias_tag_q;
    if (round_en) round_tag_q <= product_tag_q;
    if (clamp_en) result_tag_q <= round_tag_q;
  end

  // Of the rounding hash: that of round n at [32n +: 32].
  logic [191:0] keys;

  genvar n;
  generate
    for (n = 0; n < 6; n = n + 1) begin : gen_key
      localparam [31:0] Round = n;
      assign keys[32*n+:32] = seed_i + Round;
    end
  endgenerate

  genvar r;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : gen_row
      localparam [31:0] Row = r;

      output_path_lane u_lane (
          .clk_i       (clk_i),
          .bias_en_i   (bias_en),
          .product_en_i(product_en),
          .round_en_i  (round_en),
          .clamp_en_i  (clamp_en),
          .acc_i       (acc_i[48*r+:48]),
          .bias_i      (bias_i[32*r+:32]),
          .multiplier_i(multiplier_i[16*r+:16]),
          .shift_i     (shift_i[6*r+:6]),
          .channel_i   (channel_i + Row),
          .position_i  (position_i),
          .stochastic_i(stochastic_i),
          .keys_i      (keys),
          .low_i       (low_i),
          .high_i      (high_i),
          .value_o     (value_o[17*r+:17]),
          .saturated_o (saturated_o[r])
      );
    end
  endgenerate

  assign result_valid_o = result_valid_q;
  assign tag_o          = result_tag_q;

endmodule
