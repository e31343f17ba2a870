// A stand-alone PE for one pair of widths: operand registers and fixed_pe_core. Stages, timing and
// controls are those of pe.
module fixed_pe #(
    parameter integer ACTIVATION_WIDTH = 8,
    parameter integer WEIGHT_WIDTH     = 8,  // 4 with P4
    parameter integer LANES            = 4,
    parameter integer P4               = 0   // 1: weights are power-of-two codes
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    // One step a cycle; sampled at every rising edge.
    input logic [ACTIVATION_WIDTH*LANES-1:0] activations_i,
    input logic [    WEIGHT_WIDTH*LANES-1:0] weights_i,
    input logic                              activation_signed_i,
    input logic                              valid_i,
    input logic                              clear_i,
    input logic                              capture_i,

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

  logic [ACTIVATION_WIDTH*LANES-1:0] activations_q;
  logic [WEIGHT_WIDTH*LANES-1:0] weights_q;
  logic activation_nonzero_q, weight_nonzero_q;
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

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      activations_q        <= activations_i;
      activation_nonzero_q <= |activations_i;
      weights_q            <= weights_i;
      weight_nonzero_q     <= (P4 != 0) | (|weights_i);
      activation_signed_q  <= activation_signed_i;
    end
  end

  fixed_pe_core #(
      .ACTIVATION_WIDTH(ACTIVATION_WIDTH),
      .WEIGHT_WIDTH    (WEIGHT_WIDTH),
      .LANES           (LANES),
      .P4              (P4)
  ) u_core (
      .clk_i               (clk_i),
      .rst_ni              (rst_ni),
      .activations_i       (activations_q),
      .activation_nonzero_i(activation_nonzero_q),
      .weights_i           (weights_q),
      .weight_nonzero_i    (weight_nonzero_q),
      .activation_signed_i (activation_signed_q),
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
