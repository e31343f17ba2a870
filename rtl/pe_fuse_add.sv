// A node of the adder tree: joins two partial sums, either as the low and the high part of one
// wider product (the high one shifted left) or as products of different lanes. For N PEs abreast:
// plane b, at [N*b +: N], holds bit b of all N.
module pe_fuse_add #(
    parameter integer N        = 1,
    parameter integer InWidth  = 8,
    parameter integer OutWidth = 12,
    parameter integer Shift    = 4
) (
    input  logic [ N*InWidth-1:0] low_i,   // two's complement
    input  logic [ N*InWidth-1:0] high_i,  // two's complement
    input  logic                  fuse_i,
    output logic [N*OutWidth-1:0] sum_o    // two's complement
);

  logic [N*OutWidth-1:0] low;
  logic [N*OutWidth-1:0] high;

  genvar b;
  generate
    for (b = 0; b < OutWidth; b = b + 1) begin : gen_bit
      localparam integer Bit = b < InWidth ? b : InWidth - 1;
      localparam integer Shifted = b < Shift ? 0 : b - Shift < InWidth ? b - Shift : InWidth - 1;

      assign low[N*b+:N] = low_i[N*Bit+:N];
      if (b < Shift) begin : gen_zero
        assign high[N*b+:N] = high_i[N*Bit+:N] & {N{~fuse_i}};
      end else begin : gen_shift
        assign high[N*b+:N] = fuse_i ? high_i[N*Shifted+:N] : high_i[N*Bit+:N];
      end
    end
  endgenerate

  pe_plane_add #(
      .N    (N),
      .Width(OutWidth)
  ) u_add (
      .a_i    (low),
      .b_i    (high),
      .carry_i({N{1'b0}}),
      .sum_o  (sum_o)
  );

endmodule
