# Start-up code: from reset to firmware_main(hart, plan address).
#
# In:  a0 = hart number, a1 = address of the plan (0: none).
# Only hart 0 runs; others sleep. A return from firmware_main is an exit with its value, done by `finish`.
#include "firmware/host/trap_frame.h"

    .section .text.start, "ax"
    .globl  _start
    .type   _start, @function
_start:
    .option push
    .option norelax             # gp is not set yet
    la      gp, __global_pointer$
    .option pop

    csrw    mie, zero
    csrci   mstatus, MSTATUS_MIE
    bnez    a0, park

    # Save the arguments where nothing below writes.
    mv      s0, a0
    mv      s1, a1

    la      t0, _bss_start
    la      t1, _bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:
    la      sp, _stack_top

    # Traps: one stack for interrupts and faults, a second for faults inside a handler.
    la      t0, hart_context
    la      t1, fault_context
    la      t2, trap_stack_top
    sd      t2, HART_CONTEXT_STACK(t0)
    sd      t1, HART_CONTEXT_NESTED(t0)
    la      t2, fault_stack_top
    sd      t2, HART_CONTEXT_STACK(t1)
    sd      t1, HART_CONTEXT_NESTED(t1)
    csrw    mscratch, t0
    la      t0, trap_entry
    csrw    mtvec, t0

    # Floating point: on, clean flags, round to nearest even.
    li      t0, MSTATUS_FS_INITIAL
    csrs    mstatus, t0
    fscsr   zero

    la      s2, _init_array_start
    la      s3, _init_array_end
3:  bgeu    s2, s3, 4f
    ld      t0, 0(s2)
    jalr    t0
    addi    s2, s2, 8
    j       3b
4:
    mv      a0, s0
    mv      a1, s1
    call    firmware_main
    call    finish

park:
    wfi
    j       park
    .size   _start, . - _start

    .bss
    .balign 16
    .globl  hart_context
hart_context:
    .skip   HART_CONTEXT_BYTES
fault_context:
    .skip   HART_CONTEXT_BYTES
    .balign 16
    .skip   8192
trap_stack_top:
    .skip   8192
fault_stack_top:
