/* switch_x86_64.S - from one stack to another.
 *
 *   sched_switch   void sched_switch(uintptr_t *save, uintptr_t load): a call, as far as the caller can tell. Saved are
 *                  the registers that a call preserves. The floating-point environment is the thread's, not the
 *                  goroutine's, and goes with neither.
 *   sched_entry    where sched_switch "returns" to on a new stack, the end of every backtrace: makes the call whose record
 *                  is at %rbx with the stack pointer of %r12, where the arguments are that are passed on the stack. The
 *                  record is below that, and so is gone once the function runs; it is cleared, since frames of the
 *                  function that leave words of theirs unwritten would keep the arguments alive there.
 */
#if defined(__x86_64__)
#include "call_record.inc"

    .text
    .p2align 4
    .globl sched_switch
    .hidden sched_switch
    .type sched_switch, @function
sched_switch:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    .cfi_adjust_cfa_offset -8
    popq %r14
    .cfi_adjust_cfa_offset -8
    popq %r13
    .cfi_adjust_cfa_offset -8
    popq %r12
    .cfi_adjust_cfa_offset -8
    popq %rbx
    .cfi_adjust_cfa_offset -8
    popq %rbp
    .cfi_adjust_cfa_offset -8
    ret /* predicted right where both were left in the same place; a jump would put all returns after it wrong */
    .cfi_endproc
    .size sched_switch, . - sched_switch

    .p2align 4
    .globl sched_entry
    .hidden sched_entry
    .type sched_entry, @function
sched_entry:
    .cfi_startproc
    .cfi_undefined %rip
    xorl %ebp, %ebp
    call sched_begin
    load_arguments %rbx
    clear_arguments %rbx
    movq FUNCTION(%rbx), %r11
    movl $8, %eax
    movq %r12, %rsp
    xorl %ebx, %ebx
    call *%r11
    call sched_end
    ud2
    .cfi_endproc
    .size sched_entry, . - sched_entry
#endif

    .section .note.GNU-stack, "", %progbits
