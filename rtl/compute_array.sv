// The PE array with its sequencer, column buffer and output path: a RUN, its operands and its channels'
// parameters in, columns of results out.
module compute_array #(
    parameter integer ROWS    = 16,
    parameter integer COLUMNS = 16
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    // A RUN. valid must stay high, and the RUN as it is, until ready is high for one cycle.
    input  logic               start_valid_i,
    output logic               start_ready_o,        // depends on result_ready_i
    input  logic        [31:0] channels_i,           // 1 or more
    input  logic        [31:0] pixels_i,             // 1 or more
    input  logic        [31:0] steps_i,              // 1 or more
    input  logic        [ 1:0] activation_width_i,   // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input  logic        [ 1:0] weight_width_i,       // the same; ignored in p4
    input  logic               activation_signed_i,
    input  logic               p4_i,                 // weights are 4-bit power-of-two codes
    input  logic               stochastic_i,         // else half up
    input  logic        [31:0] seed_i,               // of stochastic rounding
    input  logic signed [16:0] low_i,                // -32768 to high_i
    input  logic signed [16:0] high_i,               // to 65535
    input  logic        [31:0] channel_first_i,      // number in the layer of channel 0
    output logic               busy_o,               // high for the cycles that the RUN takes

    // Operands of one step; the step is done at the edge where valid and ready are high.
    input  logic                   feed_valid_i,
    output logic                   feed_ready_o,
    input  logic [   128*ROWS-1:0] weights_i,      // row r at [128r +: 128]
    input  logic [128*COLUMNS-1:0] activations_i,  // column c at [128c +: 128]
    output logic [           31:0] feed_channel_o, // of row 0
    output logic [           31:0] feed_pixel_o,   // of column 0
    output logic [           31:0] feed_step_o,

    // A column of accumulators on its way to the output path. valid stays high, and the column as it
    // is, until it leaves.
    output logic               column_valid_o,
    output logic [48*ROWS-1:0] column_acc_o,        // row r at [48r +: 48]
    output logic [   ROWS-1:0] column_overflow_o,
    output logic [   ROWS-1:0] column_row_valid_o,  // rows that have a channel
    output logic [       31:0] column_channel_o,    // of row 0
    output logic [       31:0] column_pixel_o,

    // What the output path needs for this column, which leaves at the edge where valid and ready are
    // high.
    input  logic               parameters_valid_i,
    output logic               parameters_ready_o,  // depends on result_ready_i
    input  logic [32*ROWS-1:0] bias_i,              // row r at [32r +: 32], signed
    input  logic [16*ROWS-1:0] multiplier_i,
    input  logic [ 6*ROWS-1:0] shift_i,             // 0 to 47
    input  logic [       31:0] position_i,          // y * width + x

    // A column of results. valid stays high, and the results as they are, until ready is high for one
    // cycle.
    output logic               result_valid_o,
    input  logic               result_ready_i,
    output logic [17*ROWS-1:0] result_value_o,      // row r at [17r +: 17], signed
    output logic [   ROWS-1:0] result_saturated_o,  // the clamp changed it, and not to a lower bound of 0
    output logic [   ROWS-1:0] result_row_valid_o,  // rows that have a channel
    output logic [       31:0] result_channel_o,    // of row 0
    output logic [       31:0] result_pixel_o,
    output logic               result_last_o        // of the RUN, which ends when it is taken
);

  localparam integer BufferColumns = 3;

  logic step_valid, step_clear, step_capture, shift;
  logic column_last;

  array_sequencer #(
      .ROWS          (ROWS),
      .COLUMNS       (COLUMNS),
      .BUFFER_COLUMNS(BufferColumns)
  ) u_sequencer (
      .clk_i            (clk_i),
      .rst_ni           (rst_ni),
      .start_valid_i    (start_valid_i),
      .start_ready_o    (start_ready_o),
      .channels_i       (channels_i),
      .pixels_i         (pixels_i),
      .steps_i          (steps_i),
      .busy_o           (busy_o),
      .feed_valid_i     (feed_valid_i),
      .feed_ready_o     (feed_ready_o),
      .feed_channel_o   (feed_channel_o),
      .feed_pixel_o     (feed_pixel_o),
      .feed_step_o      (feed_step_o),
      .step_valid_o     (step_valid),
      .step_clear_o     (step_clear),
      .step_capture_o   (step_capture),
      .shift_o          (shift),
      .drain_i          (parameters_valid_i & parameters_ready_o),
      .drain_channel_o  (column_channel_o),
      .drain_pixel_o    (column_pixel_o),
      .drain_row_valid_o(column_row_valid_o),
      .drain_last_o     (column_last),
      .finish_i         (result_valid_o & result_last_o & result_ready_i)
  );

  logic [1:0] activation_width_q, weight_width_q;
  logic activation_signed_q, p4_q, stochastic_q;
  logic [31:0] seed_q, channel_first_q;
  logic signed [16:0] low_q, high_q;

  always_ff @(posedge clk_i) begin
    if (start_valid_i & start_ready_o) begin
      activation_width_q  <= activation_width_i;
      weight_width_q      <= weight_width_i;
      activation_signed_q <= activation_signed_i;
      p4_q                <= p4_i;
      stochastic_q        <= stochastic_i;
      seed_q              <= seed_i;
      low_q               <= low_i;
      high_q              <= high_i;
      channel_first_q     <= channel_first_i;
    end
  end

  logic [48*ROWS-1:0] column;
  logic [   ROWS-1:0] column_overflow;

  pe_array #(
      .ROWS   (ROWS),
      .COLUMNS(COLUMNS)
  ) u_array (
      .clk_i              (clk_i),
      .rst_ni             (rst_ni),
      .weights_i          (weights_i),
      .activations_i      (activations_i),
      .activation_width_i (activation_width_q),
      .weight_width_i     (weight_width_q),
      .activation_signed_i(activation_signed_q),
      .p4_i               (p4_q),
      .valid_i            (step_valid),
      .clear_i            (step_clear),
      .capture_i          (step_capture),
      .shift_i            (shift),
      .column_o           (column),
      .column_overflow_o  (column_overflow)
  );

  logic path_ready;

  assign parameters_ready_o = column_valid_o & path_ready;

  column_buffer #(
      .WIDTH(49 * ROWS),
      .DEPTH(BufferColumns)
  ) u_buffer (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .push_i  (shift),
      .column_i({column_overflow, column}),
      .valid_o (column_valid_o),
      .ready_i (parameters_valid_i & path_ready),
      .column_o({column_overflow_o, column_acc_o})
  );

  output_path #(
      .ROWS     (ROWS),
      .TAG_WIDTH(65 + ROWS)
  ) u_output_path (
      .clk_i         (clk_i),
      .rst_ni        (rst_ni),
      .stochastic_i  (stochastic_q),
      .seed_i        (seed_q),
      .low_i         (low_q),
      .high_i        (high_q),
      .column_valid_i(column_valid_o & parameters_valid_i),
      .column_ready_o(path_ready),
      .acc_i         (column_acc_o),
      .bias_i        (bias_i),
      .multiplier_i  (multiplier_i),
      .shift_i       (shift_i),
      .channel_i     (channel_first_q + column_channel_o),
      .position_i    (position_i),
      .tag_i         ({column_last, column_row_valid_o, column_pixel_o, column_channel_o}),
      .result_valid_o(result_valid_o),
      .result_ready_i(result_ready_i),
      .value_o       (result_value_o),
      .saturated_o   (result_saturated_o),
      .tag_o         ({result_last_o, result_row_valid_o, result_pixel_o, result_channel_o})
  );

endmodule
