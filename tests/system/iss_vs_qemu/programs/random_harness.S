# Runs generated code and records what it does. The generator fills random_code, data_region and
# initial_registers. Reserved in generated code: x2 and x8 point into data_region, x28 counts
# loops, x29 and x30 are scratch, x31 points at the end of the record.
#
# The record is a sequence of
#   "trap", mcause, mepc, mtval, mstatus & 0x88
#   "regs", x1..x31

.section .text.start, "ax"
.option norvc
.option norelax
.globl _start
_start:
  la t0, trap_handler
  csrw mtvec, t0
  csrw mie, zero
  csrw mscratch, zero
  csrw mepc, zero
  csrw mcause, zero
  csrw mtval, zero
  li t0, 0x02004000
  li t1, -1
  sw t1, 0(t0)
  sw t1, 4(t0)
  li t0, 0x1800
  csrw mstatus, t0
  la t0, first_count
  csrr t1, minstret
  sw t1, 0(t0)
  la x31, initial_registers
  .irp n, 1,3,4,5,6,7,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27
  lw x\n, 4*\n(x31)
  .endr
  la x2, data_region + 2048
  la x8, data_region + 2048
  li x28, 0
  li x29, 0
  li x30, 0
  la x31, record
  j random_code

.globl random_end
random_end:
  la t1, last_count
  csrr t0, minstret
  sw t0, 0(t1)
  la t0, record_end
  sw x31, 0(t0)
  la sp, __stack_top
  call print_all
  li t1, 0x100000
  li t2, 0x5555
1:
  sw t2, 0(t1)
  j 1b

# Called with jal x29.
.globl checkpoint
checkpoint:
  li x30, 0x73676572
  sw x30, 0(x31)
  .irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  sw x\n, 4*\n(x31)
  .endr
  addi x31, x31, 128
  jr x29
.globl checkpoint_end
checkpoint_end:

# A fetch fault goes on at x1, everything else behind the instruction. With one CPU, QEMU runs an
# AMO as a load and a store and reports the load's fault; the specification has all of an AMO's
# faults as the store's, and so has mcause from here on.
.balign 4
.globl trap_handler
trap_handler:
  li x30, 0x70617274
  sw x30, 0(x31)
  csrr x30, mcause
  addi x30, x30, -4
  sltiu x30, x30, 2
  beqz x30, 0f
  csrr x29, mepc
  lbu x30, 3(x29)
  srli x30, x30, 3
  addi x30, x30, -2
  beqz x30, 0f
  lbu x30, 0(x29)
  andi x30, x30, 0x7f
  addi x30, x30, -0x2f
  bnez x30, 0f
  csrr x30, mcause
  addi x30, x30, 2
  csrw mcause, x30
0:
  csrr x30, mcause
  sw x30, 4(x31)
  csrr x29, mepc
  sw x29, 8(x31)
  csrr x29, mtval
  sw x29, 12(x31)
  csrr x29, mstatus
  andi x29, x29, 0x88
  sw x29, 16(x31)
  addi x31, x31, 20
  csrr x30, mcause
  addi x30, x30, -1
  beqz x30, 1f
  csrr x29, mepc
  lhu x30, 0(x29)
  andi x30, x30, 3
  addi x29, x29, 2
  addi x30, x30, -3
  bnez x30, 2f
  addi x29, x29, 2
  j 2f
1:
  mv x29, x1
2:
  csrw mepc, x29
  mret
.globl trap_handler_end
trap_handler_end:

.section .data
.balign 4096
.globl data_region
data_region: .fill 1024, 4, 0xa5a5a5a5
.globl initial_registers
initial_registers: .fill 32, 4, 0xa5a5a5a5
first_count: .word 0
last_count: .word 0
record_end: .word 0
.globl first_count, last_count, record_end
.balign 4096
.globl random_code
random_code: .fill 131072, 2, 0
.globl random_code_end
random_code_end:

.section .bss
.balign 16
.globl record
record: .space 0x200000
