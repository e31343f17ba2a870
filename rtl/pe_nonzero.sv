// Which of N words that stand abreast are not zero. Plane b, at [N*b +: N], holds bit b of all N.
module pe_nonzero #(
    parameter integer N = 1
) (
    input  logic [128*N-1:0] planes_i,
    output logic [    N-1:0] nonzero_o
);

  genvar s;
  generate
    for (s = 0; s <= 7; s = s + 1) begin : gen_step
      localparam integer Bits = N * (128 >> s);
      logic [Bits-1:0] planes;

      if (s == 0) begin : gen_first
        assign planes = planes_i;
      end else begin : gen_fold
        assign planes = gen_step[s-1].planes[0+:Bits] | gen_step[s-1].planes[Bits+:Bits];
      end
    end
  endgenerate

  assign nonzero_o = gen_step[7].planes;

endmodule
