// The part of a PE that an array repeats in every position: fused multiplier, product register,
// 48-bit accumulator, shadow register. Its operands arrive aligned and registered, because all
// PEs of a row share a weight word and all of a column an activation word.
module pe_core (
    input logic clk_i,
    input logic rst_ni,

    // One step, to be held stable for the cycle: operands from the aligners and what to do.
    input logic [127:0] activation_digits_i,
    input logic         activation_nonzero_i,
    input logic [127:0] weight_digits_i,
    input logic         weight_nonzero_i,      // must be 1 in p4, whose zero is not all zeros
    input logic [  1:0] activation_width_i,
    input logic [  1:0] weight_width_i,
    input logic         activation_signed_i,
    input logic         p4_i,
    input logic         valid_i,               // accumulate the operands
    input logic         clear_i,               // start from zero
    input logic         capture_i,             // copy the result to the shadow register

    output logic signed [47:0] acc_o,           // two edges after the step
    output logic               acc_valid_o,     // high for one cycle per step
    output logic               acc_overflow_o,  // sticky until the next clear

    // Shadow registers of a row form a chain: the next edge moves it on by one PE.
    input  logic               drain_i,
    input  logic signed [47:0] drain_data_i,
    input  logic               drain_overflow_i,
    output logic signed [47:0] shadow_o,
    output logic               shadow_overflow_o,
    output logic               captured_o         // high for one cycle per capture
);

  logic signed [31:0] sum;

  pe_multiplier u_multiplier (
      .activation_digits_i(activation_digits_i),
      .weight_digits_i    (weight_digits_i),
      .activation_width_i (activation_width_i),
      .weight_width_i     (weight_width_i),
      .activation_signed_i(activation_signed_i),
      .p4_i               (p4_i),
      .sum_o              (sum)
  );

  // Product register. A step whose operand word is zero leaves it, and the accumulator, unclocked.
  logic               live;
  logic signed [31:0] product_q;
  logic               valid_q, live_q, clear_q, capture_q;

  assign live = valid_i & activation_nonzero_i & weight_nonzero_i;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q   <= 1'b0;
      live_q    <= 1'b0;
      clear_q   <= 1'b0;
      capture_q <= 1'b0;
    end else begin
      valid_q   <= valid_i;
      live_q    <= live;
      clear_q   <= clear_i;
      capture_q <= capture_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (live) product_q <= sum;
  end

  // Accumulator.
  logic signed [47:0] acc_d, acc_q, base, addend;
  logic overflow_d, overflow_q, acc_valid_q;

  assign base   = acc_q & {48{~clear_q}};
  assign addend = {{16{product_q[31]}}, product_q} & {48{live_q}};
  assign acc_d  = base + addend;
  assign overflow_d = (overflow_q & ~clear_q) |
                      ((base[47] == addend[47]) & (acc_d[47] != base[47]));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      acc_q       <= 48'd0;
      overflow_q  <= 1'b0;
      acc_valid_q <= 1'b0;
    end else begin
      acc_valid_q <= valid_q;
      if (live_q | clear_q) begin
        acc_q      <= acc_d;
        overflow_q <= overflow_d;
      end
    end
  end

  // Shadow register: the finished result waits here while the next accumulation runs.
  logic signed [47:0] shadow_q;
  logic shadow_overflow_q, captured_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      shadow_q          <= 48'd0;
      shadow_overflow_q <= 1'b0;
      captured_q        <= 1'b0;
    end else begin
      captured_q <= capture_q;
      if (capture_q) begin
        shadow_q          <= acc_d;
        shadow_overflow_q <= overflow_d;
      end else if (drain_i) begin
        shadow_q          <= drain_data_i;
        shadow_overflow_q <= drain_overflow_i;
      end
    end
  end

  assign acc_o             = acc_q;
  assign acc_valid_o       = acc_valid_q;
  assign acc_overflow_o    = overflow_q;
  assign shadow_o          = shadow_q;
  assign shadow_overflow_o = shadow_overflow_q;
  assign captured_o        = captured_q;

endmodule
