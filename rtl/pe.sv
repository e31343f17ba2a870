// A stand-alone processing element: aligners, operand registers and pe_core.
// Latency: a step sampled at one edge is in the accumulator after the second edge that follows
// (three edges in all); one step a cycle.
module pe (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    // One step a cycle; sampled at every rising edge.
    input logic [127:0] activations_i,        // L*aw bits used
    input logic [127:0] weights_i,            // L*ww bits used
    input logic [  1:0] activation_width_i,   // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input logic [  1:0] weight_width_i,       // 0, 1, 2, 3: 2, 4, 8, 16 bits; ignored in p4
    input logic         activation_signed_i,
    input logic         p4_i,                 // weights are 4-bit power-of-two codes
    input logic         valid_i,
    input logic         clear_i,
    input logic         capture_i,

    output logic signed [47:0] acc_o,
    output logic               acc_valid_o,
    output logic               acc_overflow_o,

    // Not pipelined: takes effect at the next rising edge.
    input  logic               drain_i,
    input  logic signed [47:0] drain_data_i,
    input  logic               drain_overflow_i,
    output logic signed [47:0] shadow_o,
    output logic               shadow_overflow_o,
    output logic               captured_o
);

  logic [1:0] weight_width;
  logic [127:0] activation_digits, weight_digits;

  assign weight_width = p4_i ? 2'd1 : weight_width_i;

  pe_align_activation u_align_activation (
      .word_i        (activations_i),
      .weight_width_i(weight_width),
      .digits_o      (activation_digits)
  );

  pe_align_weight u_align_weight (
      .word_i            (weights_i),
      .activation_width_i(activation_width_i),
      .weight_width_i    (weight_width),
      .digits_o          (weight_digits)
  );

  // Operand registers: in an array, one set a row and one a column.
  logic [127:0] activation_digits_q, weight_digits_q;
  logic activation_nonzero_q, weight_nonzero_q;
  logic [1:0] activation_width_q, weight_width_q;
  logic activation_signed_q, p4_q;
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

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      activation_digits_q  <= activation_digits;
      activation_nonzero_q <= |activation_digits;
      weight_digits_q      <= weight_digits;
      weight_nonzero_q     <= p4_i | (|weight_digits);
      activation_width_q   <= activation_width_i;
      weight_width_q       <= weight_width;
      activation_signed_q  <= activation_signed_i;
      p4_q                 <= p4_i;
    end
  end

  pe_core u_core (
      .clk_i               (clk_i),
      .rst_ni              (rst_ni),
      .activation_digits_i (activation_digits_q),
      .activation_nonzero_i(activation_nonzero_q),
      .weight_digits_i     (weight_digits_q),
      .weight_nonzero_i    (weight_nonzero_q),
      .activation_width_i  (activation_width_q),
      .weight_width_i      (weight_width_q),
      .activation_signed_i (activation_signed_q),
      .p4_i                (p4_q),
      .valid_i             (valid_q),
      .clear_i             (clear_q),
      .capture_i           (capture_q),
      .acc_o               (acc_o),
      .acc_valid_o         (acc_valid_o),
      .acc_overflow_o      (acc_overflow_o),
      .drain_i             (drain_i),
      .drain_data_i        (drain_data_i),
      .drain_overflow_i    (drain_overflow_i),
      .shadow_o            (shadow_o),
      .shadow_overflow_o   (shadow_overflow_o),
      .captured_o          (captured_o)
  );

endmodule
