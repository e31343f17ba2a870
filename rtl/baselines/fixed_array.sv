// ROWS x COLUMNS fixed PEs, arranged as in pe_array, and an output path for each row: the column that
// is shifted out goes through it.
module fixed_array #(
    parameter integer ROWS             = 16,
    parameter integer COLUMNS          = 16,
    parameter integer ACTIVATION_WIDTH = 8,
    parameter integer WEIGHT_WIDTH     = 8,  // 4 with P4
    parameter integer LANES            = 1,
    parameter integer P4               = 0,  // 1: weights are power-of-two codes
    parameter integer OUTPUT_PATH      = 1   // 0: values_o are the low bits of the accumulators
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    // One step a cycle; sampled at every rising edge.
    input logic [   WEIGHT_WIDTH*LANES*ROWS-1:0] weights_i,
    input logic [ACTIVATION_WIDTH*LANES*COLUMNS-1:0] activations_i,
    input logic                                  activation_signed_i,
    input logic                                  valid_i,
    input logic                                  clear_i,
    input logic                                  capture_i,

    // The next rising edge moves every column on by one.
    input logic shift_i,

    // Output path, see output_path_lane; each row has its own bias, multiplier and shift.
    input  logic [        3:0] output_en_i,
    input  logic [32*ROWS-1:0] bias_i,
    input  logic [16*ROWS-1:0] multiplier_i,
    input  logic [ 6*ROWS-1:0] shift_amount_i,
    input  logic [32*ROWS-1:0] channel_i,
    input  logic [       31:0] position_i,
    input  logic               stochastic_i,
    input  logic [      191:0] keys_i,
    input  logic [       16:0] low_i,
    input  logic [       16:0] high_i,
    output logic [17*ROWS-1:0] values_o,
    output logic [   ROWS-1:0] saturated_o,
    output logic [   ROWS-1:0] overflow_o
);

  localparam integer ActivationWord = ACTIVATION_WIDTH * LANES;
  localparam integer WeightWord = WEIGHT_WIDTH * LANES;

  logic [WeightWord*ROWS-1:0] weights_q;
  logic [ROWS-1:0] weight_nonzero_q;
  logic [ActivationWord*COLUMNS-1:0] activations_q;
  logic [COLUMNS-1:0] activation_nonzero_q;
  logic activation_signed_q;
  logic valid_q, clear_q, capture_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q   <= 1'b0;
      clear_q   <= 1'b0;
      capture_q <= 1'b0;
    end else begin
      valid_q   <= valid_i;
      clear_q   <= clear_i;
      capture_q <= capture_i;
    end
  end

  genvar r, c;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : gen_weight
      always_ff @(posedge clk_i) begin
        if (valid_i) begin
          weights_q[WeightWord*r+:WeightWord] <= weights_i[WeightWord*r+:WeightWord];
          weight_nonzero_q[r] <= (P4 != 0) | (|weights_i[WeightWord*r+:WeightWord]);
        end
      end
    end
    for (c = 0; c < COLUMNS; c = c + 1) begin : gen_activation
      always_ff @(posedge clk_i) begin
        if (valid_i) begin
          activations_q[ActivationWord*c+:ActivationWord] <=
              activations_i[ActivationWord*c+:ActivationWord];
          activation_nonzero_q[c] <= |activations_i[ActivationWord*c+:ActivationWord];
        end
      end
    end
  endgenerate

  always_ff @(posedge clk_i) begin
    if (valid_i) activation_signed_q <= activation_signed_i;
  end

  generate
    for (r = 0; r < ROWS; r = r + 1) begin : gen_row
      // Shadow register of column c at [48c +: 48]; one more, of zeros, feeds the last.
      logic [48*(COLUMNS+1)-1:0] shadow;
      logic [COLUMNS:0] shadow_overflow;

      assign shadow[48*COLUMNS+:48]   = 48'd0;
      assign shadow_overflow[COLUMNS] = 1'b0;

      for (c = 0; c < COLUMNS; c = c + 1) begin : gen_column
        logic [47:0] unused_acc;
        logic unused_acc_valid, unused_acc_overflow, unused_captured;

        fixed_pe_core #(
            .ACTIVATION_WIDTH(ACTIVATION_WIDTH),
            .WEIGHT_WIDTH    (WEIGHT_WIDTH),
            .LANES           (LANES),
            .P4              (P4)
        ) u_core (
            .clk_i               (clk_i),
            .rst_ni              (rst_ni),
            .activations_i       (activations_q[ActivationWord*c+:ActivationWord]),
            .activation_nonzero_i(activation_nonzero_q[c]),
            .weights_i           (weights_q[WeightWord*r+:WeightWord]),
            .weight_nonzero_i    (weight_nonzero_q[r]),
            .activation_signed_i (activation_signed_q),
            .valid_i             (valid_q),
            .clear_i             (clear_q),
            .capture_i           (capture_q),
            .acc_o               (unused_acc),
            .acc_valid_o         (unused_acc_valid),
            .acc_overflow_o      (unused_acc_overflow),
            .drain_i             (shift_i),
            .drain_data_i        (shadow[48*(c+1)+:48]),
            .drain_overflow_i    (shadow_overflow[c+1]),
            .shadow_o            (shadow[48*c+:48]),
            .shadow_overflow_o   (shadow_overflow[c]),
            .captured_o          (unused_captured)
        );
      end

      assign overflow_o[r] = shadow_overflow[0];

      if (OUTPUT_PATH != 0) begin : gen_output
        output_path_lane u_output (
            .clk_i       (clk_i),
            .bias_en_i   (output_en_i[0]),
            .product_en_i(output_en_i[1]),
            .round_en_i  (output_en_i[2]),
            .clamp_en_i  (output_en_i[3]),
            .acc_i       (shadow[47:0]),
            .bias_i      (bias_i[32*r+:32]),
            .multiplier_i(multiplier_i[16*r+:16]),
            .shift_i     (shift_amount_i[6*r+:6]),
            .channel_i   (channel_i[32*r+:32]),
            .position_i  (position_i),
            .stochastic_i(stochastic_i),
            .keys_i      (keys_i),
            .low_i       (low_i),
            .high_i      (high_i),
            .value_o     (values_o[17*r+:17]),
            .saturated_o (saturated_o[r])
        );
      end else begin : gen_accumulators
        logic unused_settings;

        assign unused_settings = &{
          1'b0, clk_i, output_en_i, bias_i[32*r+:32], multiplier_i[16*r+:16], shadow[47:17],
          shift_amount_i[6*r+:6], channel_i[32*r+:32], position_i, stochastic_i, keys_i, low_i, high_i
        };
        assign values_o[17*r+:17] = shadow[16:0];
        assign saturated_o[r]     = 1'b0;
      end
    end
  endgenerate

endmodule
