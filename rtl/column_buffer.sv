// A queue of DEPTH columns of results between the array's shadow registers, which cannot wait once
// a shift is on its way, and the output path, which may. An empty queue is passed in the same cycle.
module column_buffer #(
    parameter integer WIDTH = 784,
    parameter integer DEPTH = 3
) (
    input logic clk_i,
    input logic rst_ni,

    // No ready: whoever pushes counts the columns that have not left yet, DEPTH at most.
    input logic             push_i,
    input logic [WIDTH-1:0] column_i,

    // valid stays high, and the column as it is, until ready is high for one cycle.
    output logic             valid_o,
    input  logic             ready_i,
    output logic [WIDTH-1:0] column_o
);

  // Column n of the queue, the oldest being 0, at [WIDTH*n +: WIDTH].
  logic [WIDTH*DEPTH-1:0] queue_q;
  logic [DEPTH-1:0] used_q;  // the oldest ones are set
  logic pop;

  assign valid_o  = push_i | used_q[0];
  assign column_o = used_q[0] ? queue_q[WIDTH-1:0] : column_i;
  assign pop      = valid_o & ready_i;

  // A push goes behind what is there; if a column leaves, everything moves on by one.
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      used_q <= {DEPTH{1'b0}};
    end else if (push_i & ~pop) begin
      used_q <= {used_q[DEPTH-2:0], 1'b1};
    end else if (pop & ~push_i) begin
      used_q <= {1'b0, used_q[DEPTH-1:1]};
    end
  end

  genvar n;
  generate
    for (n = 0; n < DEPTH; n = n + 1) begin : gen_entry
      logic free;  // of the column that stood here
      logic [WIDTH-1:0] next;

      if (n + 1 < DEPTH) begin : gen_inner
        assign free = pop ? ~used_q[n+1] : ~used_q[n];
        assign next = queue_q[WIDTH*(n+1)+:WIDTH];
      end else begin : gen_last
        assign free = pop | ~used_q[n];
        assign next = column_i;
      end

      always_ff @(posedge clk_i) begin
        if (free) begin
          if (push_i) queue_q[WIDTH*n+:WIDTH] <= column_i;
        end else if (pop) begin
          queue_q[WIDTH*n+:WIDTH] <= next;
        end
      end
    end
  endgenerate

endmodule
