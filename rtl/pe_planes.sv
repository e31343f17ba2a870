// Turns N operand words of 128 bits into 128 planes of N bits, by wires alone: bit r of plane b is
// bit b of word r. Up to 128 words are turned in log2(N) steps, each of which swaps a bit of the
// word's index with one of the bit's index, so that simulators move words instead of bits.
module pe_planes #(
    parameter integer N = 1
) (
    input  logic [128*N-1:0] words_i,  // word r at [128r +: 128]
    output logic [128*N-1:0] planes_o  // plane b at [N*b +: N]
);

  localparam integer Steps = N <= 1 ? 0 : N <= 2 ? 1 : N <= 4 ? 2 : N <= 8 ? 3 :
                             N <= 16 ? 4 : N <= 32 ? 5 : N <= 64 ? 6 : 7;
  localparam integer Size = 1 << Steps;
  localparam integer Chunk = Size < 32 ? 32 : Size;

  genvar s, r, c, b;
  generate
    if (N > 128) begin : gen_bits
      for (b = 0; b < 128; b = b + 1) begin : gen_plane
        for (r = 0; r < N; r = r + 1) begin : gen_word
          assign planes_o[N*b+r] = words_i[128*r+b];
        end
      end
    end else begin : gen_steps
      for (s = 0; s <= Steps; s = s + 1) begin : gen_step
        logic [128*Size-1:0] words;

        if (s == 0) begin : gen_first
          assign words[128*N-1:0] = words_i;
          if (N < Size) begin : gen_pad
            assign words[128*Size-1:128*N] = '0;
          end
        end else begin : gen_swap
          localparam integer Shift = 1 << (s - 1);
          // Bits whose index has a 0 where the step swaps.
          localparam [127:0] Low = {128{1'b1}} / ((128'd1 << Shift) + 128'd1);

          for (r = 0; r < Size; r = r + 1) begin : gen_word
            for (c = 0; c < 128 / Chunk; c = c + 1) begin : gen_chunk
              if ((r & Shift) == 0) begin : gen_low
                assign words[128*r+Chunk*c+:Chunk] =
                    (gen_step[s-1].words[128*r+Chunk*c+:Chunk] & Low[Chunk-1:0]) |
                    ((gen_step[s-1].words[128*(r+Shift)+Chunk*c+:Chunk] & Low[Chunk-1:0]) << Shift);
              end else begin : gen_high
                assign words[128*r+Chunk*c+:Chunk] =
                    (gen_step[s-1].words[128*r+Chunk*c+:Chunk] & ~Low[Chunk-1:0]) |
                    ((gen_step[s-1].words[128*(r-Shift)+Chunk*c+:Chunk] >> Shift) &
                     Low[Chunk-1:0]);
              end
            end
          end
        end
      end

      for (b = 0; b < 128; b = b + 1) begin : gen_plane
        assign planes_o[N*b+:N] = gen_step[Steps].words[128*(b%Size)+Size*(b/Size)+:N];
        if (N < Size) begin : gen_unused
          logic [Size-N-1:0] unused_padding;
          assign unused_padding = gen_step[Steps].words[128*(b%Size)+Size*(b/Size)+N+:Size-N];
        end
      end
    end
  endgenerate

endmodule
