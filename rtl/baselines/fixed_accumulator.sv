// Product register, 48-bit accumulator and shadow register of a fixed PE: the same as in pe_core,
// behind a sum of SUM_WIDTH bits.
module fixed_accumulator #(
    parameter integer SUM_WIDTH = 32
) (
    input logic clk_i,
    input logic rst_ni,  // asynchronous, active low

    input logic signed [SUM_WIDTH-1:0] sum_i,
    input logic                        live_i,     // valid, and neither operand word is zero
    input logic                        valid_i,
    input logic                        clear_i,
    input logic                        capture_i,

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

  logic signed [SUM_WIDTH-1:0] product_q;
  logic valid_q, live_q, clear_q, capture_q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_q   <= 1'b0;
      live_q    <= 1'b0;
      clear_q   <= 1'b0;
      capture_q <= 1'b0;
    end else begin
      valid_q   <= valid_i;
      live_q    <= live_i;
      clear_q   <= clear_i;
      capture_q <= capture_i;
    end
  end

  always_ff @(posedge clk_i) begin
    if (live_i) product_q <= sum_i;
  end

  logic signed [47:0] acc_d, acc_q, base, addend;
  logic overflow_d, overflow_q, acc_valid_q;

  assign base   = acc_q & {48{~clear_q}};
  assign addend = {{(48 - SUM_WIDTH) {product_q[SUM_WIDTH-1]}}, product_q} & {48{live_q}};
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
