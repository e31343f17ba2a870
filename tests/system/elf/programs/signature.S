# Computes the signature at run time: Fibonacci numbers, then a word stored byte by byte.
    .section .text
    .globl main
main:
    la      t0, begin_signature
    li      t1, 1
    li      t2, 1
    li      t3, 6
1:  sw      t1, 0(t0)
    add     t4, t1, t2
    mv      t1, t2
    mv      t2, t4
    addi    t0, t0, 4
    addi    t3, t3, -1
    bnez    t3, 1b
    li      t1, 0x10
2:  sb      t1, 0(t0)
    addi    t1, t1, 0x11
    addi    t0, t0, 1
    la      t2, end_signature
    bltu    t0, t2, 2b
    li      a0, 0
    ret

    .section .signature, "aw"
    .balign 16
    .word   0xdeadbeef          # before and after the signature: never written
    .balign 16
    .globl begin_signature
begin_signature:
    .fill   7, 4, 0xffffffff
    .globl end_signature
end_signature:
    .word   0xdeadbeef
