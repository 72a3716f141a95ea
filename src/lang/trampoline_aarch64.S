/* trampoline_aarch64.S - as trampoline_x86_64.S. The static chain register is x18 with gcc 12 and clang 14; with a compiler that
 * has another one every test of bw_defer fails at once. */
#if defined(__aarch64__)
#include "../sched/call_record.inc"

    .text
    .p2align 4
    .globl bw__call_store
    .hidden bw__call_store
    .type bw__call_store, %function
bw__call_store:
    .cfi_startproc
    hint #34 /* bti c */
    stp x0, x1, [x18, #INTEGER]
    stp x2, x3, [x18, #INTEGER + 16]
    stp x4, x5, [x18, #INTEGER + 32]
    stp x6, x7, [x18, #INTEGER + 48]
    str x8, [x18, #INTEGER + 64]
    stp q0, q1, [x18, #VECTOR]
    stp q2, q3, [x18, #VECTOR + 32]
    stp q4, q5, [x18, #VECTOR + 64]
    stp q6, q7, [x18, #VECTOR + 96]
    ldr x9, [x18, #STACK_WORDS]
    cbnz x9, 1f
    ret
1:  add x10, x18, #STACK
2:  sub x9, x9, #1
    ldr x11, [sp, x9, lsl #3]
    str x11, [x10, x9, lsl #3]
    cbnz x9, 2b
    ret
    .cfi_endproc
    .size bw__call_store, . - bw__call_store

    .p2align 4
    .globl bw__call_make
    .type bw__call_make, %function
bw__call_make:
    .cfi_startproc
    hint #34
    stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    mov x29, sp
    .cfi_def_cfa_register x29
    mov x16, x0
    ldr x9, [x16, #STACK_WORDS]
    cbz x9, 2f
    add x10, x9, #1
    and x10, x10, #-2
    sub sp, sp, x10, lsl #3
    mov x12, sp
    add x10, x16, #STACK
1:  sub x9, x9, #1
    ldr x11, [x10, x9, lsl #3]
    str x11, [x12, x9, lsl #3]
    cbnz x9, 1b
2:  load_arguments x16
    ldr x16, [x16, #FUNCTION]
    blr x16
    mov sp, x29
    ldp x29, x30, [sp], #16
    .cfi_restore x29
    .cfi_restore x30
    .cfi_def_cfa sp, 0
    ret
    .cfi_endproc
    .size bw__call_make, . - bw__call_make
#endif

    .section .note.GNU-stack, "", %progbits
