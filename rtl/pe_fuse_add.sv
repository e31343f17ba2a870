// A node of the adder tree: joins two partial sums, either as the low and the high part of one
// wider product (the high one shifted left) or as products of different lanes.
module pe_fuse_add #(
    parameter integer InWidth  = 8,
    parameter integer OutWidth = 12,
    parameter integer Shift    = 4
) (
    input  logic [ InWidth-1:0] low_i,   // two's complement
    input  logic [ InWidth-1:0] high_i,  // two's complement
    input  logic                fuse_i,
    output logic [OutWidth-1:0] sum_o    // two's complement
);

  logic [OutWidth-1:0] low;
  logic [OutWidth-1:0] high;

  assign low  = {{(OutWidth - InWidth) {low_i[InWidth-1]}}, low_i};
  assign high = {{(OutWidth - InWidth) {high_i[InWidth-1]}}, high_i};

  assign sum_o = low + (fuse_i ? high << Shift : high);

endmodule
