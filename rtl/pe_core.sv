// The part of a PE that an array repeats in every position: fused multiplier, product register,
// 48-bit accumulator, shadow register. Its operands arrive aligned and registered, because all
// PEs of a row share a weight word and all of a column an activation word.
// ROWS x COLUMNS PEs stand abreast, those of a row with the same weights and those of a column with
// the same activations, all in the same mode. Numbers lie in planes: plane b holds bit b of all rows,
// of all columns, or of all PEs, PE (r, c) at COLUMNS*r + c.
module pe_core #(
    parameter integer ROWS    = 1,
    parameter integer COLUMNS = 1
) (
    input logic clk_i,
    input logic rst_ni,

    // One step, to be held stable for the cycle: operands from the aligners and what to do.
    input logic [128*COLUMNS-1:0] activation_digits_i,
    input logic [    COLUMNS-1:0] activation_nonzero_i,
    input logic [   128*ROWS-1:0] weight_digits_i,
    input logic [       ROWS-1:0] weight_nonzero_i,      // 1 in p4, whose zero is not all zeros
    input logic [      1:0] activation_width_i,
    input logic [      1:0] weight_width_i,
    input logic             activation_signed_i,
    input logic             p4_i,
    input logic             valid_i,               // accumulate the operands
    input logic             clear_i,               // start from zero
    input logic             capture_i,             // copy the result to the shadow register

    output logic [48*ROWS*COLUMNS-1:0] acc_o,           // two's complement; 2 edges after the step
    output logic            acc_valid_o,     // high for one cycle per step
    output logic [   ROWS*COLUMNS-1:0] acc_overflow_o,  // sticky until the next clear

    // Shadow registers of a row form a chain: the next edge moves it on towards column 0.
    input  logic               drain_i,
    input  logic [48*ROWS-1:0] drain_data_i,       // what the last column takes
    input  logic [   ROWS-1:0] drain_overflow_i,
    output logic [48*ROWS-1:0] shadow_o,           // of column 0, two's complement
    output logic [   ROWS-1:0] shadow_overflow_o,
    output logic               captured_o          // high for one cycle per capture
);

  localparam integer N = ROWS * COLUMNS;

  logic [32*N-1:0] sum;

  pe_multiplier #(
      .ROWS   (ROWS),
      .COLUMNS(COLUMNS)
  ) u_multiplier (
      .activation_digits_i(activation_digits_i),
      .weight_digits_i    (weight_digits_i),
      .activation_width_i (activation_width_i),
      .weight_width_i     (weight_width_i),
      .activation_signed_i(activation_signed_i),
      .p4_i               (p4_i),
      .sum_o              (sum)
  );

  // Product register. A step whose operand word is zero leaves it, and the accumulator, unclocked.
  logic [N-1:0] live, live_q;
  logic [32*N-1:0] product_q;
  logic valid_q, clear_q, capture_q;

  genvar b, r;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : gen_live
      assign live[COLUMNS*r+:COLUMNS] =
          activation_nonzero_i & {COLUMNS{valid_i & weight_nonzero_i[r]}};
    end
  endgenerate

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q   <= 1'b0;
      live_q    <= {N{1'b0}};
      clear_q   <= 1'b0;
      capture_q <= 1'b0;
    end else begin
      valid_q   <= valid_i;
      live_q    <= live;
      clear_q   <= clear_i;
      capture_q <= capture_i;
    end
  end

  generate
    for (b = 0; b < 32; b = b + 1) begin : gen_product
      always_ff @(posedge clk_i) begin
        if (&live) product_q[N*b+:N] <= sum[N*b+:N];
        else if (|live) product_q[N*b+:N] <= (sum[N*b+:N] & live) | (product_q[N*b+:N] & ~live);
      end
    end
  endgenerate

  // Accumulator, a ripple of full adders, and the shadow register, where the finished result waits
  // while the next accumulation runs.
  logic [48*N-1:0] acc_q, shadow_q;
  logic [N-1:0] overflow_d, overflow_q, shadow_overflow_q, drained_overflow;
  logic acc_valid_q, captured_q;

  generate
    for (b = 0; b < 48; b = b + 1) begin : gen_accumulator
      logic [N-1:0] base, addend, carry, acc_d;

      assign base   = acc_q[N*b+:N] & ~{N{clear_q}};
      assign addend = product_q[N*(b<32?b:31)+:N] & live_q;
      if (b == 0) begin : gen_first
        assign carry = {N{1'b0}};
      end else begin : gen_next
        assign carry =
            (gen_accumulator[b-1].base & gen_accumulator[b-1].addend) |
            (gen_accumulator[b-1].carry & (gen_accumulator[b-1].base ^ gen_accumulator[b-1].addend));
      end
      assign acc_d = base ^ addend ^ carry;

      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) acc_q[N*b+:N] <= {N{1'b0}};
        else if ((|live_q) | clear_q) acc_q[N*b+:N] <= acc_d;
      end

      logic [N-1:0] drained;

      for (r = 0; r < ROWS; r = r + 1) begin : gen_row
        if (COLUMNS > 1) begin : gen_chain
          assign drained[COLUMNS*r+:COLUMNS-1] = shadow_q[N*b+COLUMNS*r+1+:COLUMNS-1];
        end
        assign drained[COLUMNS*r+COLUMNS-1] = drain_data_i[ROWS*b+r];
        assign shadow_o[ROWS*b+r]           = shadow_q[N*b+COLUMNS*r];
      end

      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) shadow_q[N*b+:N] <= {N{1'b0}};
        else if (capture_q) shadow_q[N*b+:N] <= acc_d;
        else if (drain_i) shadow_q[N*b+:N] <= drained;
      end
    end

    for (r = 0; r < ROWS; r = r + 1) begin : gen_overflow
      if (COLUMNS > 1) begin : gen_chain
        assign drained_overflow[COLUMNS*r+:COLUMNS-1] = shadow_overflow_q[COLUMNS*r+1+:COLUMNS-1];
      end
      assign drained_overflow[COLUMNS*r+COLUMNS-1] = drain_overflow_i[r];
      assign shadow_overflow_o[r]                  = shadow_overflow_q[COLUMNS*r];
    end
  endgenerate

  assign overflow_d = (overflow_q & ~{N{clear_q}}) |
                      (~(gen_accumulator[47].base ^ gen_accumulator[47].addend) &
                       (gen_accumulator[47].acc_d ^ gen_accumulator[47].base));

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      acc_valid_q       <= 1'b0;
      overflow_q        <= {N{1'b0}};
      captured_q        <= 1'b0;
      shadow_overflow_q <= {N{1'b0}};
    end else begin
      acc_valid_q <= valid_q;
      if ((|live_q) | clear_q) overflow_q <= overflow_d;
      captured_q <= capture_q;
      if (capture_q) shadow_overflow_q <= overflow_d;
      else if (drain_i) shadow_overflow_q <= drained_overflow;
    end
  end

  assign acc_o          = acc_q;
  assign acc_valid_o    = acc_valid_q;
  assign acc_overflow_o = overflow_q;
  assign captured_o     = captured_q;

endmodule
