// Decoder of entropy-coded weights in the load engine: canonical Huffman codes of up to 12 bits, a
// symbol in each of LANES lanes a cycle, all from one sequence of 16-bit words
// (sw/abi/weight_coding.hpp). Two banks of tables: even lanes decode with bank 0, odd ones with 1.
module weight_decoder #(
    parameter integer LANES      = 16,  // power of two, 2 to 64
    parameter integer BEAT_WORDS = 8    // 16-bit words a beat of the stream brings
) (
    input logic clk_i,
    input logic rst_ni,  // forgets the tables

    // A stream begins: high for one cycle, while none is under way.
    input logic        start_i,
    input logic        table_i,  // a table, else a block
    input logic [ 1:0] banks_i,  // that take the table
    input logic [24:0] words_i,  // of the stream, 1 or more
    input logic [24:0] bytes_i,  // of the block, decoded; 1 or more

    // The stream, from the cycle behind start_i on; its first word lowest. The last beat may have
    // fewer words.
    input  logic                     stream_valid_i,
    output logic                     stream_ready_o,
    input  logic [16*BEAT_WORDS-1:0] stream_i,

    // The bytes of a step, 2 edges behind it.
    output logic [8*LANES-1:0] bytes_o,
    output logic [  LANES-1:0] bytes_valid_o,  // lanes with a byte, the lowest
    output logic               done_o,         // high for one cycle, with the last bytes
    output logic [        2:0] fault_o         // with done_o; see below
);

  localparam integer FIFO_WORDS = LANES + BEAT_WORDS;
  localparam integer CW = $clog2(FIFO_WORDS + 1);  // bits of a number of words in the FIFO

  localparam logic [2:0] FaultNone = 3'd0;
  localparam logic [2:0] FaultTable = 3'd1;     // no prefix code, or other symbols than counted
  localparam logic [2:0] FaultEarly = 3'd2;     // a lane asked for a word behind the last
  localparam logic [2:0] FaultNoCode = 3'd3;    // no code begins with a lane's bits
  localparam logic [2:0] FaultLeftOver = 3'd4;  // words were not taken

  typedef enum logic [1:0] {
    Idle,
    Table,
    Block
  } state_e;

  state_e state_q;
  logic [24:0] bytes_left_q;   // of the block, not decoded
  logic [24:0] words_left_q;   // of the stream, not taken
  logic [24:0] words_due_q;    // of the stream, not in the FIFO
  logic [1:0] banks_q;

  // FIFO: the oldest word lowest, zero above its words.
  logic [16*FIFO_WORDS-1:0] fifo_q, fifo_taken, fifo_d;
  logic [CW-1:0] held_q, held_taken, taken, arriving;
  logic take, accept;

  assign stream_ready_o = (state_q != Idle) & (words_due_q != 25'd0) & (held_q <= CW'(LANES));
  assign accept         = stream_valid_i & stream_ready_o;
  assign arriving       = (words_due_q < 25'(BEAT_WORDS)) ? words_due_q[CW-1:0] : CW'(BEAT_WORDS);
  assign held_taken     = take ? held_q - taken : held_q;
  assign fifo_taken     = take ? fifo_q >> {taken, 4'd0} : fifo_q;
  assign fifo_d         = accept
      ? fifo_taken | ({{(16*LANES){1'b0}}, stream_i} << {held_taken, 4'd0}) : fifo_taken;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      fifo_q <= {(16*FIFO_WORDS){1'b0}};
      held_q <= {CW{1'b0}};
    end else if (start_i) begin
      fifo_q <= {(16*FIFO_WORDS){1'b0}};
      held_q <= {CW{1'b0}};
    end else if (take | accept) begin
      fifo_q <= fifo_d;
      held_q <= accept ? held_taken + arriving : held_taken;
    end
  end

  // Table: the counts, then two symbols a word. Lengths are told apart by what a window of 12 bits
  // is below; the number of a symbol is its code and an offset of the length.
  logic table_word, table_last, table_bad;
  logic [7:0] table_number_q;  // of the word, as far as it is counted
  logic [12:0] filled_q;       // of the 4096 windows, those of shorter codes
  logic [8:0] symbols_q;       // of shorter codes
  logic overfull_q, overfull;
  logic [20:0] span;           // windows of the codes of the length
  logic [21:0] filled_d;
  logic [16:0] symbols_d;
  logic [3:0] length_index;
  logic [7:0] symbol_word;

  assign table_word   = (state_q == Table) & (held_q != {CW{1'b0}});
  assign table_last   = words_left_q == 25'd1;
  assign length_index = table_number_q[3:0];
  assign symbol_word  = table_number_q - 8'd12;
  assign span         = {12'd0, fifo_q[8:0]} << (4'd11 - length_index);
  assign filled_d     = {9'd0, filled_q} + {1'b0, span};
  assign symbols_d    = {8'd0, symbols_q} + {1'b0, fifo_q[15:0]};
  assign overfull     = (filled_d > 22'd4096) | (symbols_d > 17'd256);

  // After the last word: all counts and as many symbols have come, which are 1 or more.
  logic [8:0] symbol_words;
  assign symbol_words = (symbols_q + 9'd1) >> 1;
  assign table_bad = overfull_q | (symbols_q == 9'd0) | (table_number_q < 8'd12) |
                     (symbol_words != {1'b0, symbol_word} + 9'd1);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      table_number_q <= 8'd0;
      filled_q       <= 13'd0;
      symbols_q      <= 9'd0;
      overfull_q     <= 1'b0;
    end else if (start_i) begin
      table_number_q <= 8'd0;
      filled_q       <= 13'd0;
      symbols_q      <= 9'd0;
      overfull_q     <= 1'b0;
    end else if (table_word) begin
      if (table_number_q != 8'hFF) table_number_q <= table_number_q + 8'd1;
      if (table_number_q < 8'd12) begin
        filled_q   <= filled_d[12:0];
        symbols_q  <= symbols_d[8:0];
        overfull_q <= overfull_q | overfull;
      end
    end
  end

  genvar b, n, l;
  generate
    for (b = 0; b < 2; b = b + 1) begin : gen_bank
      logic [13*12-1:0] limit_q;   // windows of codes of up to this length are below it
      logic [ 8*12-1:0] offset_q;  // number of a symbol less its code, modulo 256
      logic [15:0] symbols[128];   // by number, two a word

      for (n = 0; n < 12; n = n + 1) begin : gen_length
        always_ff @(posedge clk_i or negedge rst_ni) begin
          if (!rst_ni) begin
            limit_q[13*n+:13] <= 13'd0;
            offset_q[8*n+:8]  <= 8'd0;
          end else if (table_word & banks_q[b]) begin
            if (table_last & table_bad) begin
              limit_q[13*n+:13] <= 13'd0;
            end else if (table_number_q == n) begin
              limit_q[13*n+:13] <= filled_d[12:0];
              offset_q[8*n+:8]  <= symbols_q[7:0] - 8'(filled_q >> (11 - n));
            end
          end
        end
      end

      always_ff @(posedge clk_i) begin
        if (table_word & banks_q[b] & (table_number_q >= 8'd12) & (table_number_q < 8'd140))
          symbols[symbol_word[6:0]] <= fifo_q[15:0];
      end
    end
  endgenerate

  // Block: a step of all lanes that have a byte to come.
  logic [LANES-1:0] active, matched;
  logic early, enough, no_code, step, block_last, left_over;

  generate
    for (l = 0; l < LANES; l = l + 1) begin : gen_lane
      localparam integer BANK = l % 2;

      logic [26:0] bits_q, bits;  // the next bit on top, zero below those held
      logic [ 4:0] count_q, count;
      logic        need;
      logic [CW-1:0] first_word, through;  // words that the lanes below take, and these with this one's
      logic [11:0] window;
      logic [ 3:0] length;
      logic [ 7:0] number, number_q;

      assign active[l] = bytes_left_q > 25'(l);
      assign need      = active[l] & (count_q < 5'd12);
      if (l == 0) begin : gen_first
        assign first_word = {CW{1'b0}};
      end else begin : gen_next
        assign first_word = gen_lane[l-1].through;
      end
      assign through = first_word + {{(CW-1){1'b0}}, need};

      // Of the FIFO's first l + 1 words the one behind those of the lanes below.
      logic [15:0] word;
      assign word  = 16'(fifo_q[16*(l+1)-1:0] >> {first_word, 4'd0});
      assign bits  = need ? bits_q | ({11'd0, word} << (5'd11 - count_q)) : bits_q;
      assign count = need ? count_q + 5'd16 : count_q;

      assign window = bits[26:15];
      for (n = 0; n < 12; n = n + 1) begin : gen_length
        // From the longest code to the shortest, which wins.
        localparam integer BITS = 12 - n;
        logic       is_below;
        logic [3:0] best_length;
        logic [7:0] own_number, best_number;
        assign is_below   = {1'b0, window} < gen_bank[BANK].limit_q[13*(BITS-1)+:13];
        assign own_number = gen_bank[BANK].offset_q[8*(BITS-1)+:8] + 8'(window >> (12 - BITS));
        if (n == 0) begin : gen_longest
          assign best_length = 4'd12;
          assign best_number = own_number;
        end else begin : gen_shorter
          assign best_length = is_below ? 4'(BITS) : gen_length[n-1].best_length;
          assign best_number = is_below ? own_number : gen_length[n-1].best_number;
        end
      end
      assign matched[l] = gen_length[0].is_below;
      assign length     = gen_length[11].best_length;
      assign number     = gen_length[11].best_number;

      always_ff @(posedge clk_i or negedge rst_ni) begin
        if (!rst_ni) begin
          bits_q  <= 27'd0;
          count_q <= 5'd0;
        end else if (start_i) begin
          bits_q  <= 27'd0;
          count_q <= 5'd0;
        end else if (step & active[l]) begin
          bits_q  <= bits << length;
          count_q <= count - {1'b0, length};
        end
      end

      logic [15:0] pair;
      logic [ 7:0] byte_q;
      assign pair = gen_bank[BANK].symbols[number_q[7:1]];

      always_ff @(posedge clk_i) begin
        if (step & active[l]) number_q <= number;
        byte_q <= number_q[0] ? pair[15:8] : pair[7:0];
      end
      assign bytes_o[8*l+:8] = byte_q;
    end
  endgenerate

  logic [CW-1:0] needed;
  assign needed     = gen_lane[LANES-1].through;
  assign early      = words_left_q < {{(25-CW){1'b0}}, needed};
  assign enough     = (state_q == Block) & ~early & (held_q >= needed);
  assign no_code    = enough & |(active & ~matched);
  assign step       = enough & ~no_code;
  assign block_last = bytes_left_q <= 25'(LANES);
  assign left_over  = step & block_last & (words_left_q != {{(25-CW){1'b0}}, needed});
  assign taken      = (state_q == Table) ? {{(CW-1){1'b0}}, 1'b1} : needed;
  assign take       = step | table_word;

  // The stream ends.
  logic finish;
  logic [2:0] fault;
  assign finish = (table_word & table_last) | ((state_q == Block) & early) | no_code |
                  (step & block_last);
  always_comb begin
    fault = FaultNone;
    if (state_q == Table) begin
      if (table_bad) fault = FaultTable;
    end else if (early) begin
      fault = FaultEarly;
    end else if (no_code) begin
      fault = FaultNoCode;
    end else if (left_over) begin
      fault = FaultLeftOver;
    end
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q      <= Idle;
      banks_q      <= 2'd0;
      bytes_left_q <= 25'd0;
      words_left_q <= 25'd0;
      words_due_q  <= 25'd0;
    end else if (start_i) begin
      state_q      <= table_i ? Table : Block;
      banks_q      <= banks_i;
      bytes_left_q <= bytes_i;
      words_left_q <= words_i;
      words_due_q  <= words_i;
    end else begin
      if (finish) state_q <= Idle;
      if (step) bytes_left_q <= block_last ? 25'd0 : bytes_left_q - 25'(LANES);
      if (take) words_left_q <= words_left_q - {{(25-CW){1'b0}}, taken};
      if (accept) words_due_q <= words_due_q - {{(25-CW){1'b0}}, arriving};
    end
  end

  // What goes with the symbols to the output.
  logic [LANES-1:0] valid_1q, valid_2q;
  logic done_1q, done_2q;
  logic [2:0] fault_1q, fault_2q;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      valid_1q <= {LANES{1'b0}};
      valid_2q <= {LANES{1'b0}};
      done_1q  <= 1'b0;
      done_2q  <= 1'b0;
      fault_1q <= FaultNone;
      fault_2q <= FaultNone;
    end else begin
      valid_1q <= active & {LANES{step}};
      valid_2q <= valid_1q;
      done_1q  <= finish;
      done_2q  <= done_1q;
      fault_1q <= fault;
      fault_2q <= fault_1q;
    end
  end

  assign bytes_valid_o = valid_2q;
  assign done_o        = done_2q;
  assign fault_o       = fault_2q;

endmodule
