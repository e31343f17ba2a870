// Takes the array through a RUN: for each block of ROWS channels, for each group of COLUMNS pixels,
// `steps` steps, then the capture of the tile into the shadow registers and their drain, one column
// a cycle, under the next tile. docs/rtl/array.md derives its cycles.
module array_sequencer #(
    parameter integer ROWS           = 16,
    parameter integer COLUMNS        = 16,
    parameter integer BUFFER_COLUMNS = 3   // 3 or more lets the drain go on without a pause
) (
    input logic clk_i,
    input logic rst_ni,

    // A RUN. valid must stay high, and the shape as it is, until ready is high for one cycle.
    input  logic        start_valid_i,
    output logic        start_ready_o,
    input  logic [31:0] channels_i,     // 1 or more
    input  logic [31:0] pixels_i,       // 1 or more
    input  logic [31:0] steps_i,        // 1 or more
    output logic        busy_o,         // from the cycle after the start to the last result

    // Operands of the step that the position tells; the position moves on with valid & ready.
    input  logic        feed_valid_i,
    output logic        feed_ready_o,   // does not depend on feed_valid_i
    output logic [31:0] feed_channel_o, // of row 0
    output logic [31:0] feed_pixel_o,   // of column 0
    output logic [31:0] feed_step_o,

    // To the array.
    output logic step_valid_o,
    output logic step_clear_o,
    output logic step_capture_o,
    output logic shift_o,

    // A column leaves the column buffer, and which one it is.
    input  logic            drain_i,
    output logic [    31:0] drain_channel_o,   // of row 0
    output logic [    31:0] drain_pixel_o,
    output logic [ROWS-1:0] drain_row_valid_o, // rows that have a channel
    output logic            drain_last_o,      // it is the last of the RUN

    // The last results of the RUN are taken: its last cycle.
    input logic finish_i
);

  localparam [31:0] Rows = ROWS;
  localparam [31:0] Columns = COLUMNS;

  localparam [1:0] StateIdle = 2'd0;
  localparam [1:0] StateFetch = 2'd1;  // the feed reads the operands of the first step
  localparam [1:0] StateRun = 2'd2;    // until the last results are taken

  logic [1:0] state_d, state_q;
  logic [31:0] channels_q, pixels_q, steps_q;
  logic start;

  // Feed: position of the step that comes next.
  logic [31:0] channel_q, pixel_q, step_q;
  logic feeding_q;  // there is one
  logic [31:0] pixels_left;
  logic first_step, last_step, last_group, last_block;
  logic step;

  assign pixels_left = pixels_q - pixel_q;
  assign first_step  = step_q == 32'd0;
  assign last_step   = step_q == steps_q - 32'd1;
  assign last_group  = pixels_left <= Columns;
  assign last_block  = channels_q - channel_q <= Rows;

  // Shadow registers, ahead of time by the two cycles that a step needs to the accumulators:
  // columns that are still to be shifted out, and places for them in the column buffer.
  logic [31:0] columns_left_q, credits_q;
  logic shift, shadow_free, shift_q;

  assign shift       = (columns_left_q != 32'd0) & (credits_q != 32'd0);
  assign shadow_free = (columns_left_q == 32'd0) | ((columns_left_q == 32'd1) & shift);

  // Only the step that captures has to wait for the shadow registers.
  assign feed_ready_o = (state_q == StateRun) & feeding_q & (shadow_free | ~last_step);
  assign step         = feed_valid_i & feed_ready_o;

  assign step_valid_o   = step;
  assign step_clear_o   = step & first_step;
  assign step_capture_o = step & last_step;

  assign feed_channel_o = channel_q;
  assign feed_pixel_o   = pixel_q;
  assign feed_step_o    = step_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      channel_q <= 32'd0;
      pixel_q   <= 32'd0;
      step_q    <= 32'd0;
      feeding_q <= 1'b0;
    end else if (start) begin
      channel_q <= 32'd0;
      pixel_q   <= 32'd0;
      step_q    <= 32'd0;
      feeding_q <= 1'b1;
    end else if (step) begin
      step_q <= last_step ? 32'd0 : step_q + 32'd1;
      if (last_step) begin
        pixel_q <= last_group ? 32'd0 : pixel_q + Columns;
        if (last_group) begin
          channel_q <= channel_q + Rows;
          feeding_q <= ~last_block;
        end
      end
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      columns_left_q <= 32'd0;
      shift_q        <= 1'b0;
      shift_o        <= 1'b0;
    end else begin
      shift_q <= shift;
      shift_o <= shift_q;
      if (step_capture_o) columns_left_q <= last_group ? pixels_left : Columns;
      else if (shift) columns_left_q <= columns_left_q - 32'd1;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) credits_q <= BUFFER_COLUMNS;
    else if (shift & ~drain_i) credits_q <= credits_q - 32'd1;
    else if (drain_i & ~shift) credits_q <= credits_q + 32'd1;
  end

  // Drain: the column that leaves next.
  logic [31:0] drain_channel_q, drain_pixel_q;
  logic last_drain_pixel;

  assign last_drain_pixel = drain_pixel_q == pixels_q - 32'd1;
  assign drain_last_o     = last_drain_pixel & (channels_q - drain_channel_q <= Rows);

  assign drain_channel_o = drain_channel_q;
  assign drain_pixel_o   = drain_pixel_q;

  genvar r;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : gen_row
      localparam [31:0] Row = r;
      assign drain_row_valid_o[r] = channels_q - drain_channel_q > Row;
    end
  endgenerate

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      drain_channel_q <= 32'd0;
      drain_pixel_q   <= 32'd0;
    end else if (start) begin
      drain_channel_q <= 32'd0;
      drain_pixel_q   <= 32'd0;
    end else if (drain_i) begin
      drain_pixel_q <= last_drain_pixel ? 32'd0 : drain_pixel_q + 32'd1;
      if (last_drain_pixel) drain_channel_q <= drain_channel_q + Rows;
    end
  end

  // Run.
  assign start_ready_o = (state_q == StateIdle) | finish_i;
  assign start         = start_valid_i & start_ready_o;
  assign busy_o        = state_q != StateIdle;

  always_comb begin
    state_d = state_q;
    case (state_q)
      StateIdle:  if (start) state_d = StateFetch;
      StateFetch: state_d = StateRun;
      default:    if (finish_i) state_d = start ? StateFetch : StateIdle;
    endcase
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) state_q <= StateIdle;
    else state_q <= state_d;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      channels_q <= 32'd0;
      pixels_q   <= 32'd0;
      steps_q    <= 32'd0;
    end else if (start) begin
      channels_q <= channels_i;
      pixels_q   <= pixels_i;
      steps_q    <= steps_i;
    end
  end

endmodule
