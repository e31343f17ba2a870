// The PE array with its sequencer and column buffer: a RUN and its operands in, columns of
// accumulators out.
module sequenced_array #(
    parameter integer ROWS    = 16,
    parameter integer COLUMNS = 16
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    // A RUN. valid must stay high, and the RUN as it is, until ready is high for one cycle.
    input  logic        start_valid_i,
    output logic        start_ready_o,
    input  logic [31:0] channels_i,           // 1 or more
    input  logic [31:0] pixels_i,             // 1 or more
    input  logic [31:0] steps_i,              // 1 or more
    input  logic [ 1:0] activation_width_i,   // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input  logic [ 1:0] weight_width_i,       // the same; ignored in p4
    input  logic        activation_signed_i,
    input  logic        p4_i,                 // weights are 4-bit power-of-two codes
    output logic        busy_o,               // high for the cycles that the RUN takes

    // Operands of one step; the step is done at the edge where valid and ready are high.
    input  logic                   feed_valid_i,
    output logic                   feed_ready_o,
    input  logic [   128*ROWS-1:0] weights_i,      // row r at [128r +: 128]
    input  logic [128*COLUMNS-1:0] activations_i,  // column c at [128c +: 128]
    output logic [           31:0] feed_channel_o, // of row 0
    output logic [           31:0] feed_pixel_o,   // of column 0
    output logic [           31:0] feed_step_o,

    // A column of accumulators. valid stays high, and the column as it is, until ready is high for
    // one cycle.
    output logic               drain_valid_o,
    input  logic               drain_ready_i,
    output logic [48*ROWS-1:0] drain_acc_o,        // row r at [48r +: 48]
    output logic [   ROWS-1:0] drain_overflow_o,
    output logic [   ROWS-1:0] drain_row_valid_o,  // rows that have a channel
    output logic [       31:0] drain_channel_o,    // of row 0
    output logic [       31:0] drain_pixel_o
);

  localparam integer BufferColumns = 3;

  logic step_valid, step_clear, step_capture, shift;

  array_sequencer #(
      .ROWS              (ROWS),
      .COLUMNS           (COLUMNS),
      .BUFFER_COLUMNS    (BufferColumns),
      .OUTPUT_PATH_CYCLES(4)
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
      .drain_i          (drain_valid_o & drain_ready_i),
      .drain_channel_o  (drain_channel_o),
      .drain_pixel_o    (drain_pixel_o),
      .drain_row_valid_o(drain_row_valid_o)
  );

  logic [1:0] activation_width_q, weight_width_q;
  logic activation_signed_q, p4_q;

  always_ff @(posedge clk_i) begin
    if (start_valid_i & start_ready_o) begin
      activation_width_q  <= activation_width_i;
      weight_width_q      <= weight_width_i;
      activation_signed_q <= activation_signed_i;
      p4_q                <= p4_i;
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

  column_buffer #(
      .WIDTH(49 * ROWS),
      .DEPTH(BufferColumns)
  ) u_buffer (
      .clk_i   (clk_i),
      .rst_ni  (rst_ni),
      .push_i  (shift),
      .column_i({column_overflow, column}),
      .valid_o (drain_valid_o),
      .ready_i (drain_ready_i),
      .column_o({drain_overflow_o, drain_acc_o})
  );

endmodule
