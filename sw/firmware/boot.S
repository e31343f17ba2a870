# Reset: a0 = hart number, a1 = address of abi::BootInfo. Clears .bss, sets the trap vector, runs
# the firmware. There are no static constructors.
    .section .text.boot
    .globl _start
_start:
    la      sp, __stack_top
    la      t0, trap_vector
    csrw    mtvec, t0
    la      t0, __bss_start
    la      t1, __bss_end
1:  bgeu    t0, t1, 2f
    sw      zero, 0(t0)
    addi    t0, t0, 4
    j       1b
2:  li      t0, 0x800            # mie.MEIE: what the PLIC has pending ends a WFI
    csrw    mie, t0
    mv      a0, a1
    call    firmware_entry
3:  wfi
    j       3b

    .section .text
    .balign 4
trap_vector:
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    firmware_exception
