/* trampoline_x86_64.S - a call's arguments stored, and the call made later; see burrow/panic.h, struct bw__call.
 *
 *   bw__call_store   called through the type of the function that is meant, with the record in the static chain register
 *                    (r10): the compiler has put the arguments where that function wants them, and here they are copied.
 *   bw__call_make    void bw__call_make(const bw__call *): puts them there again, and calls.
 *
 * It is not known how many registers and words of stack the arguments take, so all registers that may hold one are stored,
 * and as many words as the macro found that they can take at most.
 */
#if defined(__x86_64__)
#include "../sched/call_record.inc"

    .text
    .p2align 4
    .globl bw__call_store
    .hidden bw__call_store
    .type bw__call_store, @function
bw__call_store:
    .cfi_startproc
    endbr64
    movq %rdi, INTEGER(%r10)
    movq %rsi, INTEGER+8(%r10)
    movq %rdx, INTEGER+16(%r10)
    movq %rcx, INTEGER+24(%r10)
    movq %r8, INTEGER+32(%r10)
    movq %r9, INTEGER+40(%r10)
    movaps %xmm0, VECTOR(%r10)
    movaps %xmm1, VECTOR+16(%r10)
    movaps %xmm2, VECTOR+32(%r10)
    movaps %xmm3, VECTOR+48(%r10)
    movaps %xmm4, VECTOR+64(%r10)
    movaps %xmm5, VECTOR+80(%r10)
    movaps %xmm6, VECTOR+96(%r10)
    movaps %xmm7, VECTOR+112(%r10)
    movq STACK_WORDS(%r10), %rcx
    testq %rcx, %rcx
    jnz 1f
    ret
1:  movq (%rsp,%rcx,8), %rax /* the first argument is above the return address */
    movq %rax, STACK-8(%r10,%rcx,8)
    decq %rcx
    jnz 1b
    ret
    .cfi_endproc
    .size bw__call_store, . - bw__call_store

    .p2align 4
    .globl bw__call_make
    .type bw__call_make, @function
bw__call_make:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    movq %rsp, %rbp
    .cfi_def_cfa_register %rbp
    movq STACK_WORDS(%rdi), %rcx
    movq %rdi, %r10
    testq %rcx, %rcx
    jnz 2f
1:  load_arguments %r10
    movl $8, %eax /* what a variadic function asks */
    call *FUNCTION(%r10)
    .cfi_remember_state
    leave
    .cfi_def_cfa %rsp, 8
    ret
    .cfi_restore_state
2:  leaq 1(%rcx), %rax /* room for them, a multiple of 16 bytes */
    andq $-2, %rax
    shlq $3, %rax
    subq %rax, %rsp
3:  movq STACK-8(%r10,%rcx,8), %rax
    movq %rax, -8(%rsp,%rcx,8)
    decq %rcx
    jnz 3b
    jmp 1b
    .cfi_endproc
    .size bw__call_make, . - bw__call_make
#endif

    .section .note.GNU-stack, "", %progbits
