# Entry of the benchmark: one hart, machine mode, floating point off, traps end the run.
        .section .text.start, "ax"
        .globl _start
_start:
        la      sp, stack_top
        la      t0, trapped
        csrw    mtvec, t0
        la      t0, bss_start
        la      t1, bss_end
1:      bgeu    t0, t1, 2f
        sd      zero, 0(t0)
        addi    t0, t0, 8
        j       1b
2:      call    main
        j       power_off
        .balign 4
trapped:
        li      a0, 1
power_off:
        # The "test finisher" of QEMU's virt machine: 0x5555 passes, code << 16 | 0x3333 fails.
        li      t0, 0x5555
        beqz    a0, 3f
        slli    a0, a0, 16
        li      t0, 0x3333
        or      t0, t0, a0
3:      li      t1, 0x100000
        sw      t0, 0(t1)
4:      j       4b
