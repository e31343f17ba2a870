// Runs exported vectors on compute_array and compares it with their golden responses. Plain Verilog-2005.
// Prints one line: PASS with figures, or FAIL with the first difference.
module compute_array_tb;

  // ROWS, COLUMNS, and how many RUNs, tiles, steps and columns of results there are.
`include "vectors.vh"

  localparam RUN_BITS = 384;
  localparam ROW_BITS = 72;  // of golden responses
  localparam PATIENCE = 1000;

  // One entry a RUN, tile, step, column of results, in the order in which they come.
  reg [    RUN_BITS-1:0] runs       [   0:RUNS-1];
  reg [            31:0] bank       [  0:TILES-1];
  reg [    128*ROWS-1:0] weights    [  0:STEPS-1];
  reg [ 128*COLUMNS-1:0] activations[  0:STEPS-1];
  reg [  64*ROWS+32-1:0] parameters [0:RESULTS-1];
  reg [ROW_BITS*ROWS-1:0] golden    [0:RESULTS-1];

  reg clk = 1'b0;
  reg rst_n = 1'b1;

  // What the array samples; moves at falling edges only.
  reg start_valid = 1'b0;
  reg [RUN_BITS-1:0] next;
  reg feed_valid = 1'b0;
  reg [128*ROWS-1:0] feed_weights;
  reg [128*COLUMNS-1:0] feed_activations;
  reg parameters_valid = 1'b0;
  reg [64*ROWS+32-1:0] column_parameters;
  reg result_ready = 1'b0;

  // The RUN that is to start, its fields from the lowest bits on.
  integer next_run = 0;
  wire [31:0] next_channels = next[31:0];
  wire [31:0] next_pixels = next[63:32];
  wire [31:0] next_steps = next[95:64];
  wire [31:0] next_seed = next[127:96];
  wire [31:0] next_low = next[159:128];
  wire [31:0] next_high = next[191:160];
  wire [31:0] next_channel_first = next[223:192];
  wire [31:0] next_cycles = next[255:224];
  wire [7:0] next_flags = next[263:256];
  wire [7:0] next_feed_stall = next[271:264];  // in percent
  wire [7:0] next_parameter_stall = next[279:272];
  wire [7:0] next_result_stall = next[287:280];
  wire [31:0] next_stall_seed = next[319:288];
  // [351:320]: idle cycles before it; 0: it waits for the end of the one before

  // The RUN under way.
  reg active = 1'b0;
  integer run = 0;
  integer channels = 0, pixels = 0, steps = 0, golden_cycles = 0;
  integer feed_stall = 0, parameter_stall = 0, result_stall = 0;
  integer random = 1;
  integer cycle = 0;
  integer idle = 0;
  integer feed_channel = 0, feed_pixel = 0, feed_step = 0, tile_start = 0;
  integer column_channel = 0, column_pixel = 0, result_channel = 0, result_pixel = 0;

  // Entries that come next.
  integer tile = 0, step = 0, column = 0, result = 0;
  integer total_cycles = 0;

  wire start_ready, busy, feed_ready, column_valid, parameters_ready, result_valid, result_last;
  wire [31:0] feed_channel_o, feed_pixel_o, feed_step_o;
  wire [31:0] column_channel_o, column_pixel_o, result_channel_o, result_pixel_o;
  wire [48*ROWS-1:0] column_acc;
  wire [ROWS-1:0] column_overflow, column_row_valid, result_saturated, result_row_valid;
  wire [17*ROWS-1:0] result_value;

  wire [32*ROWS-1:0] bias;
  wire [16*ROWS-1:0] multiplier;
  wire [6*ROWS-1:0] shift;

  genvar g;
  generate
    for (g = 0; g < ROWS; g = g + 1) begin : gen_parameters
      assign bias[32*g+:32] = column_parameters[64*g+:32];
      assign multiplier[16*g+:16] = column_parameters[64*g+32+:16];
      assign shift[6*g+:6] = column_parameters[64*g+48+:6];
    end
  endgenerate

  compute_array #(
      .ROWS   (ROWS),
      .COLUMNS(COLUMNS)
  ) u_dut (
      .clk_i              (clk),
      .rst_ni             (rst_n),
      .start_valid_i      (start_valid),
      .start_ready_o      (start_ready),
      .channels_i         (next_channels),
      .pixels_i           (next_pixels),
      .steps_i            (next_steps),
      .activation_width_i (next_flags[1:0]),
      .weight_width_i     (next_flags[3:2]),
      .activation_signed_i(next_flags[4]),
      .p4_i               (next_flags[5]),
      .stochastic_i       (next_flags[6]),
      .seed_i             (next_seed),
      .low_i              (next_low[16:0]),
      .high_i             (next_high[16:0]),
      .channel_first_i    (next_channel_first),
      .busy_o             (busy),
      .feed_valid_i       (feed_valid),
      .feed_ready_o       (feed_ready),
      .weights_i          (feed_weights),
      .activations_i      (feed_activations),
      .feed_channel_o     (feed_channel_o),
      .feed_pixel_o       (feed_pixel_o),
      .feed_step_o        (feed_step_o),
      .column_valid_o     (column_valid),
      .column_acc_o       (column_acc),
      .column_overflow_o  (column_overflow),
      .column_row_valid_o (column_row_valid),
      .column_channel_o   (column_channel_o),
      .column_pixel_o     (column_pixel_o),
      .parameters_valid_i (parameters_valid),
      .parameters_ready_o (parameters_ready),
      .bias_i             (bias),
      .multiplier_i       (multiplier),
      .shift_i            (shift),
      .position_i         (column_parameters[64*ROWS+:32]),
      .result_valid_o     (result_valid),
      .result_ready_i     (result_ready),
      .result_value_o     (result_value),
      .result_saturated_o (result_saturated),
      .result_row_valid_o (result_row_valid),
      .result_channel_o   (result_channel_o),
      .result_pixel_o     (result_pixel_o),
      .result_last_o      (result_last)
  );

  always #5 clk = ~clk;

  reg failed = 1'b0;

  // `what` differs in row `row`, or in no particular row if that is negative.
  task differ;
    input [8*32-1:0] what;
    input integer row;
    input signed [63:0] expected;
    input signed [63:0] got;
    begin
      if (!failed) begin
        failed = 1'b1;
        if (row < 0) $display("FAIL: run %0d, cycle %0d: %0s: expected %0d, got %0d", run, cycle, what, expected, got);
        else $display("FAIL: run %0d, cycle %0d: %0s, row %0d: expected %0d, got %0d", run, cycle, what, row, expected, got);
        $finish;
      end
    end
  endtask

  // `got` is not `expected`, or not known.
  task check;
    input [8*32-1:0] what;
    input integer row;
    input signed [63:0] expected;
    input signed [63:0] got;
    if (got !== expected) differ(what, row, expected, got);
  endtask

  function stalled;
    input integer percent;
    stalled = ($random(random) & 32'h7fff_ffff) % 100 < percent;
  endfunction

  integer row;
  reg [ROW_BITS-1:0] expected;

  task check_column;
    begin
      check("first channel of a column", -1, column_channel, column_channel_o);
      check("pixel of a column", -1, column_pixel, column_pixel_o);
      for (row = 0; row < ROWS; row = row + 1) begin
        expected = golden[column][ROW_BITS*row+:ROW_BITS];
        check("valid flag of a column", row, expected[66], column_row_valid[row]);
        if (expected[66]) begin
          check("accumulator", row, $signed(expected[47:0]), $signed(column_acc[48*row+:48]));
          check("overflow", row, 1'b0, column_overflow[row]);
        end
      end
      column = column + 1;
      column_pixel = column_pixel + 1;
      if (column_pixel == pixels) begin
        column_pixel = 0;
        column_channel = column_channel + ROWS;
      end
    end
  endtask

  task check_result;
    begin
      check("first channel of a result", -1, result_channel, result_channel_o);
      check("pixel of a result", -1, result_pixel, result_pixel_o);
      for (row = 0; row < ROWS; row = row + 1) begin
        expected = golden[result][ROW_BITS*row+:ROW_BITS];
        check("valid flag of a result", row, expected[66], result_row_valid[row]);
        if (expected[66]) begin
          check("value", row, $signed(expected[64:48]), $signed(result_value[17*row+:17]));
          check("saturation", row, expected[65], result_saturated[row]);
        end
      end
      result = result + 1;
      result_pixel = result_pixel + 1;
      if (result_pixel == pixels) begin
        result_pixel = 0;
        result_channel = result_channel + ROWS;
      end
      check("last result", -1, result_channel >= channels, result_last);
    end
  endtask

  task step_done;
    begin
      check("channel of a step", -1, feed_channel, feed_channel_o);
      check("pixel of a step", -1, feed_pixel, feed_pixel_o);
      check("step", -1, feed_step, feed_step_o);
      step = step + 1;
      feed_step = feed_step + 1;
      if (feed_step == steps) begin
        feed_step = 0;
        tile = tile + 1;
        tile_start = cycle + 1;
        feed_pixel = feed_pixel + COLUMNS;
        if (feed_pixel >= pixels) begin
          feed_pixel = 0;
          feed_channel = feed_channel + ROWS;
        end
      end
    end
  endtask

  task run_started;
    begin
      run = next_run;
      next_run = next_run + 1;
      active = 1'b1;
      channels = next_channels;
      pixels = next_pixels;
      steps = next_steps;
      golden_cycles = next_cycles;
      feed_stall = next_feed_stall;
      parameter_stall = next_parameter_stall;
      result_stall = next_result_stall;
      random = next_stall_seed;
      cycle = -1;
      idle = 0;
      feed_channel = 0;
      feed_pixel = 0;
      feed_step = 0;
      tile_start = 1;
      column_channel = 0;
      column_pixel = 0;
      result_channel = 0;
      result_pixel = 0;
    end
  endtask

  // With stalls a RUN takes longer than the golden cycles; by how much, no vector says.
  task run_ended;
    begin
      active = 1'b0;
      total_cycles = total_cycles + cycle + 1;
      if (feed_stall == 0 && parameter_stall == 0 && result_stall == 0) begin
        check("cycles", -1, golden_cycles, cycle + 1);
      end else if (cycle + 1 < golden_cycles) begin
        differ("cycles with stalls, at least", -1, golden_cycles, cycle + 1);
      end
    end
  endtask

  // What happens at this edge: the array's registers move after all of it.
  always @(posedge clk) begin
    if (rst_n) begin
      check("busy", -1, active, busy);
      if (feed_valid && feed_ready) step_done;
      if (parameters_valid && parameters_ready) check_column;
      if (result_valid && result_ready) begin
        check_result;
        if (result_channel >= channels) run_ended;
      end
      if (active && cycle > PATIENCE * golden_cycles) differ("cycles, no end", -1, golden_cycles, cycle);
      if (start_valid && start_ready) run_started;
      else if (!active) idle = idle + 1;
      cycle = cycle + 1;
      if (!failed && !active && next_run == RUNS) begin
        check("results", -1, RESULTS, result);
        if (!failed) begin
          $display("PASS: %0d runs, %0d tiles, %0d columns of results, %0d cycles", RUNS, TILES, RESULTS, total_cycles);
          $finish;
        end
      end
    end
  end

  // What the array finds at the next rising edge.
  always @(negedge clk) begin
    next = runs[next_run < RUNS ? next_run : 0];
    feed_weights = weights[step < STEPS ? step : 0];
    feed_activations = activations[step < STEPS ? step : 0];
    column_parameters = parameters[column < RESULTS ? column : 0];
    start_valid = rst_n && next_run < RUNS && (next[351:320] == 0 || (!active && idle >= next[351:320]));
    feed_valid = active && feed_ready && !stalled(feed_stall) &&
                 (feed_step + 1 != steps || cycle + 1 >= tile_start + bank[tile < TILES ? tile : 0]);
    parameters_valid = active && column_valid && !stalled(parameter_stall);
    result_ready = active && !stalled(result_stall);
  end

  initial begin
    $readmemh("runs.hex", runs);
    $readmemh("bank.hex", bank);
    $readmemh("weights.hex", weights);
    $readmemh("activations.hex", activations);
    $readmemh("parameters.hex", parameters);
    $readmemh("golden.hex", golden);
    #1 rst_n = 1'b0;
    #12 rst_n = 1'b1;
  end

endmodule
