# Start code: stack, trap vector, main, and its result to the test finisher. An exception ends the
# program with code 64 + mcause; with NO_TRAP_VECTOR mtvec keeps its reset value.
    .section .text.start, "ax"
    .globl _start
_start:
    la      sp, __stack_top
#ifndef NO_TRAP_VECTOR
    la      t0, unexpected_trap
    csrw    mtvec, t0
#endif
    call    main
    .globl finish
finish:                         # a0: exit code
    li      t1, 0x100000
    li      t2, 0x5555
    beqz    a0, 1f
    slli    a0, a0, 16
    li      t2, 0x3333
    or      t2, t2, a0
1:  sw      t2, 0(t1)
2:  j       2b

    .balign 4
unexpected_trap:
    csrr    a0, mcause
    addi    a0, a0, 64
    j       finish
