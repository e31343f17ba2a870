# Start code of the bare-metal test programs: registers are cleared, so that what is dumped does
# not depend on who started the program.
.section .text.start, "ax"
.option norelax
.globl _start
_start:
  la sp, __stack_top
  la t0, unexpected_trap
  csrw mtvec, t0
  csrw mie, zero
  li t0, 0x1800
  csrw mstatus, t0
  la t0, __bss_start
  la t1, __bss_end
1:
  bgeu t0, t1, 2f
  sw zero, 0(t0)
  addi t0, t0, 4
  j 1b
2:
  li gp, 0
  li tp, 0
  call main
.globl finish
finish:                     # a0: exit code
  li t1, 0x100000
  li t2, 0x5555
  beqz a0, 3f
  slli a0, a0, 16
  li t2, 0x3333
  or t2, t2, a0
3:
  sw t2, 0(t1)
  j 3b

.balign 4
unexpected_trap:
  csrr a0, mcause
  addi a0, a0, 64
  j finish
