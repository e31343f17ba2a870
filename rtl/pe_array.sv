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

  // Operand registers of the edges in planes: bit b of all rows, or columns, side by side.
  logic [128*ROWS-1:0] weight_planes, weight_digits, weight_digits_q;
  logic [128*COLUMNS-1:0] activation_planes, activation_digits, activation_digits_q;
  logic [ROWS-1:0] weight_nonzero, weight_nonzero_q;
  logic [COLUMNS-1:0] activation_nonzero, activation_nonzero_q;

  pe_planes #(
      .N(ROWS)
  ) u_weight_planes (
      .words_i (weights_i),
      .planes_o(weight_planes)
  );

  pe_planes #(
      .N(COLUMNS)
  ) u_activation_planes (
      .words_i (activations_i),
      .planes_o(activation_planes)
  );

  pe_align_weight #(
      .N(ROWS)
  ) u_align_weight (
      .word_i            (weight_planes),
      .activation_width_i(activation_width_i),
      .weight_width_i    (weight_width),
      .digits_o          (weight_digits)
  );

  pe_align_activation #(
      .N(COLUMNS)
  ) u_align_activation (
      .word_i        (activation_planes),
      .weight_width_i(weight_width),
      .digits_o      (activation_digits)
  );

  pe_nonzero #(
      .N(ROWS)
  ) u_weight_nonzero (
      .planes_i (weight_digits),
      .nonzero_o(weight_nonzero)
  );

  pe_nonzero #(
      .N(COLUMNS)
  ) u_activation_nonzero (
      .planes_i (activation_digits),
      .nonzero_o(activation_nonzero)
  );

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      weight_digits_q      <= weight_digits;
      weight_nonzero_q     <= weight_nonzero | {ROWS{p4_i}};
      activation_digits_q  <= activation_digits;
      activation_nonzero_q <= activation_nonzero;
    end
  end

  // PEs in groups of whole rows, up to 64 in a group, so that a plane fits a machine word.
  localparam integer FullRows = COLUMNS >= 64 ? 1 : 64 / COLUMNS;
  localparam integer GroupRows = FullRows < ROWS ? FullRows : ROWS;
  localparam integer Groups = (ROWS + GroupRows - 1) / GroupRows;

  genvar r, b, g;
  generate
    for (g = 0; g < Groups; g = g + 1) begin : gen_group
      localparam integer Rows = g < Groups - 1 ? GroupRows : ROWS - GroupRows * (Groups - 1);
      localparam integer N = Rows * COLUMNS;
      logic [128*Rows-1:0] weights;
      logic [48*Rows-1:0] shadow;
      logic [48*N-1:0] unused_acc;
      logic [N-1:0] unused_acc_overflow;
      logic unused_acc_valid, unused_captured;

      for (b = 0; b < 128; b = b + 1) begin : gen_weight
        assign weights[Rows*b+:Rows] = weight_digits_q[ROWS*b+GroupRows*g+:Rows];
      end

      for (b = 0; b < 48; b = b + 1) begin : gen_column
        for (r = 0; r < Rows; r = r + 1) begin : gen_row
          assign column_o[48*(GroupRows*g+r)+b] = shadow[Rows*b+r];
        end
      end

      pe_core #(
          .ROWS   (Rows),
          .COLUMNS(COLUMNS)
      ) u_core (
          .clk_i               (clk_i),
          .rst_ni              (rst_ni),
          .activation_digits_i (activation_digits_q),
          .activation_nonzero_i(activation_nonzero_q),
          .weight_digits_i     (weights),
          .weight_nonzero_i    (weight_nonzero_q[GroupRows*g+:Rows]),
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
          .drain_data_i        ({48 * Rows{1'b0}}),
          .drain_overflow_i    ({Rows{1'b0}}),
          .shadow_o            (shadow),
          .shadow_overflow_o   (column_overflow_o[GroupRows*g+:Rows]),
          .captured_o          (unused_captured)
      );
    end
  endgenerate

endmodule
