# Trap vector: saves the interrupted code's registers on the stack of the hart's trap context, and
# calls handle_interrupt (which returns) or handle_fault (which does not).
#
# Handlers run with the floating-point unit off, so that its registers need not be saved: a handler
# that used one would fault and be reported.
#include "firmware/host/trap_frame.h"

    .text
    .balign 4
    .globl  trap_entry
    .type   trap_entry, @function
trap_entry:
    csrrw   sp, mscratch, sp            # sp = context, mscratch = interrupted sp
    sd      t0, HART_CONTEXT_SCRATCH(sp)
    mv      t0, sp
    ld      sp, HART_CONTEXT_STACK(t0)
    addi    sp, sp, -TRAP_FRAME_BYTES

    sd      ra, 8*1(sp)
    sd      t1, 8*6(sp)
    sd      t2, 8*7(sp)
    sd      a0, 8*10(sp)
    sd      a1, 8*11(sp)
    sd      a2, 8*12(sp)
    sd      a3, 8*13(sp)
    sd      a4, 8*14(sp)
    sd      a5, 8*15(sp)
    sd      a6, 8*16(sp)
    sd      a7, 8*17(sp)
    sd      t3, 8*28(sp)
    sd      t4, 8*29(sp)
    sd      t5, 8*30(sp)
    sd      t6, 8*31(sp)
    ld      t1, HART_CONTEXT_SCRATCH(t0)
    sd      t1, 8*5(sp)                 # interrupted t0
    ld      t2, HART_CONTEXT_NESTED(t0)
    csrrw   t1, mscratch, t2            # a fault in a handler uses the next context
    sd      t1, 8*2(sp)                 # interrupted sp
    sd      t0, TRAP_FRAME_CONTEXT(sp)
    csrr    t1, mepc
    sd      t1, TRAP_FRAME_EPC(sp)
    li      t1, MSTATUS_FS
    csrrc   t1, mstatus, t1
    sd      t1, TRAP_FRAME_STATUS(sp)

    csrr    a1, mcause
    mv      a0, sp
    bgez    a1, fault
    ld      a2, HART_CONTEXT_HANDLER(t0)
    call    handle_interrupt

    ld      t1, TRAP_FRAME_STATUS(sp)
    csrw    mstatus, t1
    ld      t1, TRAP_FRAME_EPC(sp)
    csrw    mepc, t1
    ld      t1, TRAP_FRAME_CONTEXT(sp)
    csrw    mscratch, t1
    ld      ra, 8*1(sp)
    ld      t0, 8*5(sp)
    ld      t1, 8*6(sp)
    ld      t2, 8*7(sp)
    ld      a0, 8*10(sp)
    ld      a1, 8*11(sp)
    ld      a2, 8*12(sp)
    ld      a3, 8*13(sp)
    ld      a4, 8*14(sp)
    ld      a5, 8*15(sp)
    ld      a6, 8*16(sp)
    ld      a7, 8*17(sp)
    ld      t3, 8*28(sp)
    ld      t4, 8*29(sp)
    ld      t5, 8*30(sp)
    ld      t6, 8*31(sp)
    ld      sp, 8*2(sp)
    mret

fault:                                  # the report shows all registers
    sd      gp, 8*3(sp)
    sd      tp, 8*4(sp)
    sd      s0, 8*8(sp)
    sd      s1, 8*9(sp)
    sd      s2, 8*18(sp)
    sd      s3, 8*19(sp)
    sd      s4, 8*20(sp)
    sd      s5, 8*21(sp)
    sd      s6, 8*22(sp)
    sd      s7, 8*23(sp)
    sd      s8, 8*24(sp)
    sd      s9, 8*25(sp)
    sd      s10, 8*26(sp)
    sd      s11, 8*27(sp)
    .option push
    .option norelax
    la      gp, __global_pointer$         # the faulting code may have destroyed it
    .option pop
    csrr    a2, mtval
    call    handle_fault
    .size   trap_entry, . - trap_entry
