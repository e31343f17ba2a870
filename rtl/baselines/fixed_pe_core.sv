// A PE for one pair of widths, or for one activation width and p4 codes: pe_core without a choice of
// mode. Operands arrive registered.
module fixed_pe_core #(
    parameter integer ACTIVATION_WIDTH = 8,
    parameter integer WEIGHT_WIDTH     = 8,  // 4 with P4
    parameter integer LANES            = 4,
    parameter integer P4               = 0   // 1: weights are power-of-two codes
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    input logic [ACTIVATION_WIDTH*LANES-1:0] activations_i,
    input logic                              activation_nonzero_i,
    input logic [    WEIGHT_WIDTH*LANES-1:0] weights_i,
    input logic                              weight_nonzero_i,
    input logic                              activation_signed_i,
    input logic                              valid_i,
    input logic                              clear_i,
    input logic                              capture_i,

    output logic signed [47:0] acc_o,
    output logic               acc_valid_o,
    output logic               acc_overflow_o,

    input  logic               drain_i,
    input  logic signed [47:0] drain_data_i,
    input  logic               drain_overflow_i,
    output logic signed [47:0] shadow_o,
    output logic               shadow_overflow_o,
    output logic               captured_o
);

  localparam integer ProductWidth = ACTIVATION_WIDTH + (P4 != 0 ? 7 : WEIGHT_WIDTH);
  localparam integer SumWidth = ProductWidth + $clog2(LANES);

  logic signed [SumWidth-1:0] sum;

  generate
    if (P4 != 0) begin : gen_shift_add
      shift_add_dot #(
          .ACTIVATION_WIDTH(ACTIVATION_WIDTH),
          .LANES           (LANES),
          .SUM_WIDTH       (SumWidth)
      ) u_dot (
          .activations_i      (activations_i),
          .codes_i            (weights_i),
          .activation_signed_i(activation_signed_i),
          .sum_o              (sum)
      );
    end else begin : gen_multiply
      fixed_dot #(
          .ACTIVATION_WIDTH(ACTIVATION_WIDTH),
          .WEIGHT_WIDTH    (WEIGHT_WIDTH),
          .LANES           (LANES),
          .SUM_WIDTH       (SumWidth)
      ) u_dot (
          .activations_i      (activations_i),
          .weights_i          (weights_i),
          .activation_signed_i(activation_signed_i),
          .sum_o              (sum)
      );
    end
  endgenerate

  fixed_accumulator #(
      .SUM_WIDTH(SumWidth)
  ) u_accumulator (
      .clk_i            (clk_i),
      .rst_ni           (rst_ni),
      .sum_i            (sum),
      .live_i           (valid_i & activation_nonzero_i & weight_nonzero_i),
      .valid_i          (valid_i),
      .clear_i          (clear_i),
      .capture_i        (capture_i),
      .acc_o            (acc_o),
      .acc_valid_o      (acc_valid_o),
      .acc_overflow_o   (acc_overflow_o),
      .drain_i          (drain_i),
      .drain_data_i     (drain_data_i),
      .drain_overflow_i (drain_overflow_i),
      .shadow_o         (shadow_o),
      .shadow_overflow_o(shadow_overflow_o),
      .captured_o       (captured_o)
  );

endmodule
