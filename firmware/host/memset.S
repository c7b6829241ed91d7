# void* memset(void* destination, int value, size_t bytes): words where it can. The C library's is built
# for size and takes several instructions for each byte.
    .text
    .globl  memset
    .type   memset, @function
memset:
    mv      t0, a0              # cursor
    add     t1, a0, a2          # end
    andi    a1, a1, 0xFF
    li      t2, 0x0101010101010101
    mul     t2, a1, t2
head:                           # bytes up to the first whole word
    andi    t3, t0, 7
    beqz    t3, words
    bgeu    t0, t1, done
    sb      a1, 0(t0)
    addi    t0, t0, 1
    j       head
words:
    addi    t4, t1, -31         # four words are left while cursor < t4
    bltu    t1, t0, done
    sub     t5, t1, t0
    sltiu   t5, t5, 32
    bnez    t5, tail
four:
    sd      t2, 0(t0)
    sd      t2, 8(t0)
    sd      t2, 16(t0)
    sd      t2, 24(t0)
    addi    t0, t0, 32
    bltu    t0, t4, four
tail:
    bgeu    t0, t1, done
    sb      a1, 0(t0)
    addi    t0, t0, 1
    j       tail
done:
    ret
    .size   memset, . - memset
