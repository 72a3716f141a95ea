/* switch_aarch64.S - from one stack to another; see switch_x86_64.S. Preserved by a call: x19 to x30, d8 to d15. sched_entry
 * finds the record at x19 and the stack pointer in x20. */
#if defined(__aarch64__)
#include "call_record.inc"

    .text
    .p2align 4
    .globl sched_switch
    .hidden sched_switch
    .type sched_switch, %function
sched_switch:
    .cfi_startproc
    sub sp, sp, #160
    .cfi_def_cfa_offset 160
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_offset 29, -80
    .cfi_offset 30, -72
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size sched_switch, . - sched_switch

    .p2align 4
    .globl sched_entry
    .hidden sched_entry
    .type sched_entry, %function
sched_entry:
    .cfi_startproc
    .cfi_undefined 30
    mov x29, #0
    bl sched_begin
    load_arguments x19
    clear_arguments x19
    ldr x16, [x19, #FUNCTION]
    mov sp, x20
    mov x19, #0
    blr x16
    bl sched_end
    brk #1
    .cfi_endproc
    .size sched_entry, . - sched_entry
#endif

    .section .note.GNU-stack, "", %progbits
