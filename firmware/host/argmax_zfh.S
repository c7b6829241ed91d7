# Argmax argmax_half(const uint16_t* values, uint64_t count), see argmax.h.
#
# Compares with FLT.H, which raises the invalid flag for any NaN: NaNs cost nothing to detect. 3.5
# instructions per value.
    .text
    .globl  argmax_half
    .type   argmax_half, @function
argmax_half:
    fsflags zero
    sh1add  t1, a1, a0          # end
    mv      t0, a0              # cursor
    mv      t3, a0              # where the best is
    flh     fa0, 0(a0)          # the best
    flt.h   t2, fa0, fa0
    addi    t0, t0, 2
    addi    t4, t1, -6          # four values are left while cursor < t4

four:
    bgeu    t0, t4, rest
    flh     fa1, 0(t0)
    flh     fa2, 2(t0)
    flh     fa3, 4(t0)
    flh     fa4, 6(t0)
    flt.h   t2, fa0, fa1
    bnez    t2, best1
after1:
    flt.h   t2, fa0, fa2
    bnez    t2, best2
after2:
    flt.h   t2, fa0, fa3
    bnez    t2, best3
after3:
    flt.h   t2, fa0, fa4
    bnez    t2, best4
after4:
    addi    t0, t0, 8
    j       four

rest:
    bgeu    t0, t1, done
    flh     fa1, 0(t0)
    flt.h   t2, fa0, fa1
    beqz    t2, not_better
    fsgnj.h fa0, fa1, fa1
    mv      t3, t0
not_better:
    addi    t0, t0, 2
    j       rest

done:
    sub     a0, t3, a0
    srli    a0, a0, 1
    frflags a1
    andi    a1, a1, 0x10        # invalid operation
    ret

best1:
    fsgnj.h fa0, fa1, fa1
    mv      t3, t0
    j       after1
best2:
    fsgnj.h fa0, fa2, fa2
    addi    t3, t0, 2
    j       after2
best3:
    fsgnj.h fa0, fa3, fa3
    addi    t3, t0, 4
    j       after3
best4:
    fsgnj.h fa0, fa4, fa4
    addi    t3, t0, 6
    j       after4
    .size   argmax_half, . - argmax_half
