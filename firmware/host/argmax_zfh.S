# Argmax argmax_half(const uint16_t* values, uint64_t count), see argmax.h.
#
# How long it takes depends on `count` alone, never on the values: in timing mode, where logits are
# not real, the host CPU spends the same cycles as in functional mode. So there is no branch on a
# value. The maximum of blocks of 16 is kept together with the address of the first block that has
# it, and that block is searched at the end: 3.4 instructions a value. The last block overlaps its
# predecessor rather than being shorter.
#
# Infinities and NaNs: FMADD.H adds 0 * value to a sum that is 0 as long as all values are finite,
# and NaN ever after.

# best block in t3, its maximum in fa0; `block` has the maximum fa1
    .macro  keep_better block
    flt.h   t2, fa0, fa1
    fmax.h  fa0, fa0, fa1
    neg     t2, t2
    xor     t4, t3, \block
    and     t4, t4, t2
    xor     t3, t3, t4
    .endm

    .macro  load_eight offset
    flh     ft0, \offset+0(t0)
    flh     ft1, \offset+2(t0)
    flh     ft2, \offset+4(t0)
    flh     ft3, \offset+6(t0)
    flh     ft4, \offset+8(t0)
    flh     ft5, \offset+10(t0)
    flh     ft6, \offset+12(t0)
    flh     ft7, \offset+14(t0)
    .endm

# Two sums and two maxima, in turn, so that no instruction waits for the one before it.
    .macro  fold_eight
    fmadd.h fa6, ft0, fa5, fa6
    fmax.h  fa1, fa1, ft0
    fmadd.h fa7, ft1, fa5, fa7
    fmax.h  fa2, fa2, ft1
    fmadd.h fa6, ft2, fa5, fa6
    fmax.h  fa1, fa1, ft2
    fmadd.h fa7, ft3, fa5, fa7
    fmax.h  fa2, fa2, ft3
    fmadd.h fa6, ft4, fa5, fa6
    fmax.h  fa1, fa1, ft4
    fmadd.h fa7, ft5, fa5, fa7
    fmax.h  fa2, fa2, ft5
    fmadd.h fa6, ft6, fa5, fa6
    fmax.h  fa1, fa1, ft6
    fmadd.h fa7, ft7, fa5, fa7
    fmax.h  fa2, fa2, ft7
    .endm

    .text
    .globl  argmax_half
    .type   argmax_half, @function
argmax_half:
    fmv.h.x fa5, zero           # 0
    fmv.h.x fa6, zero           # sums of 0 * value
    fmv.h.x fa7, zero
    mv      t3, a0              # the best block
    flh     fa0, 0(a0)          # the maximum so far
    sh1add  t1, a1, a0          # end
    li      t5, 16
    bltu    a1, t5, short
    addi    t6, t1, -32         # the last block
    mv      t0, a0

block:
    flh     fa1, 0(t0)
    flh     fa2, 2(t0)
    load_eight 0
    fold_eight
    load_eight 16
    fold_eight
    fmax.h  fa1, fa1, fa2
    keep_better t0
    addi    t0, t0, 32
    bleu    t0, t6, block       # a whole block is left
    beq     t0, t1, search
    mv      t0, t6              # the rest, and some values again
    j       block

# Fewer than 16 values: the only block, of t5 values.
short:
    mv      t5, a1
    mv      t0, a0
one:
    flh     ft0, 0(t0)
    fmadd.h fa6, ft0, fa5, fa6
    fmax.h  fa0, fa0, ft0
    addi    t0, t0, 2
    bltu    t0, t1, one

# The first value in the block at t3, of t5 values, that equals fa0. From the last to the first, so
# that the first remains.
search:
    sh1add  t0, t5, t3
    mv      t6, t3
find:
    addi    t0, t0, -2
    flh     ft0, 0(t0)
    feq.h   t2, ft0, fa0
    neg     t2, t2
    xor     t4, t6, t0
    and     t4, t4, t2
    xor     t6, t6, t4
    bne     t0, t3, find

    sub     a0, t6, a0
    srli    a0, a0, 1
    fadd.h  fa6, fa6, fa7
    feq.h   a1, fa6, fa6
    xori    a1, a1, 1
    ret
    .size   argmax_half, . - argmax_half
