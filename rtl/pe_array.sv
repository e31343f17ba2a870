// ROWS x COLUMNS PEs: rows are output channels, columns convolution pixels. The PEs of a row share a
// weight word and those of a column an activation word, so aligners and operand registers are at
// the edges. Shadow registers shift towards column 0, whose ROWS registers are the output.
module pe_array #(
    parameter integer ROWS    = 16,
    parameter integer COLUMNS = 16
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    // One step a cycle; sampled at every rising edge.
    input logic [   128*ROWS-1:0] weights_i,            // row r at [128r +: 128]
    input logic [128*COLUMNS-1:0] activations_i,        // column c at [128c +: 128]
    input logic [            1:0] activation_width_i,   // 0, 1, 2, 3: 2, 4, 8, 16 bits
    input logic [            1:0] weight_width_i,       // the same; ignored in p4
    input logic                   activation_signed_i,
    input logic                   p4_i,                 // weights are 4-bit power-of-two codes
    input logic                   valid_i,
    input logic                   clear_i,
    input logic                   capture_i,

    // Not pipelined: the next rising edge moves every column on by one.
    input  logic               shift_i,
    output logic [48*ROWS-1:0] column_o,          // shadow registers of column 0, row r at [48r +: 48]
    output logic [   ROWS-1:0] column_overflow_o
);

  logic [1:0] weight_width;

  assign weight_width = p4_i ? 2'd1 : weight_width_i;

  // What all PEs do with their operands.
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
      activation_width_q  <= activation_width_i;
      weight_width_q      <= weight_width;
      activation_signed_q <= activation_signed_i;
      p4_q                <= p4_i;
    end
  end

  logic [   128*ROWS-1:0] weight_digits_q;
  logic [       ROWS-1:0] weight_nonzero_q;
  logic [128*COLUMNS-1:0] activation_digits_q;
  logic [    COLUMNS-1:0] activation_nonzero_q;

  genvar r, c;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : gen_weight
      logic [127:0] digits;

      pe_align_weight u_align (
          .word_i            (weights_i[128*r+:128]),
          .activation_width_i(activation_width_i),
          .weight_width_i    (weight_width),
          .digits_o          (digits)
      );

      always_ff @(posedge clk_i) begin
        if (valid_i) begin
          weight_digits_q[128*r+:128] <= digits;
          weight_nonzero_q[r]         <= p4_i | (|digits);
        end
      end
    end

    for (c = 0; c < COLUMNS; c = c + 1) begin : gen_activation
      logic [127:0] digits;

      pe_align_activation u_align (
          .word_i        (activations_i[128*c+:128]),
          .weight_width_i(weight_width),
          .digits_o      (digits)
      );

      always_ff @(posedge clk_i) begin
        if (valid_i) begin
          activation_digits_q[128*c+:128] <= digits;
          activation_nonzero_q[c]         <= |digits;
        end
      end
    end
  endgenerate

  generate
    for (r = 0; r < ROWS; r = r + 1) begin : gen_row
      // Shadow register of column c at [48c +: 48]; one more, of zeros, feeds the last.
      logic [48*(COLUMNS+1)-1:0] shadow;
      logic [         COLUMNS:0] shadow_overflow;

      assign shadow[48*COLUMNS+:48]   = 48'd0;
      assign shadow_overflow[COLUMNS] = 1'b0;

      for (c = 0; c < COLUMNS; c = c + 1) begin : gen_column
        logic [47:0] unused_acc;
        logic unused_acc_valid, unused_acc_overflow, unused_captured;

        pe_core u_core (
            .clk_i               (clk_i),
            .rst_ni              (rst_ni),
            .activation_digits_i (activation_digits_q[128*c+:128]),
            .activation_nonzero_i(activation_nonzero_q[c]),
            .weight_digits_i     (weight_digits_q[128*r+:128]),
            .weight_nonzero_i    (weight_nonzero_q[r]),
            .activation_width_i  (activation_width_q),
            .weight_width_i      (weight_width_q),
            .activation_signed_i (activation_signed_q),
            .p4_i                (p4_q),
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

      assign column_o[48*r+:48]   = shadow[47:0];
      assign column_overflow_o[r] = shadow_overflow[0];
    end
  endgenerate

endmodule
