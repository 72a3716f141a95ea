/* os_signal.c - the signal that stops threads, and faults: explained, or turned into panics.
 *
 * The stop signal is the highest real-time signal that the program leaves at its default. A program may block "all"
 * signals in a thread, or wait for "all" of them; os_interpose.c takes the stop signal out of every such set, so that
 * the thread can be stopped all the same.
 */
#include "os_interpose.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#if defined(__x86_64__)
#define CONTEXT_PC(context) ((uintptr_t)(context)->uc_mcontext.gregs[REG_RIP])
#define CONTEXT_SP(context) ((uintptr_t)(context)->uc_mcontext.gregs[REG_RSP])
#elif defined(__aarch64__)
#define CONTEXT_PC(context) ((uintptr_t)(context)->uc_mcontext.pc)
#define CONTEXT_SP(context) ((uintptr_t)(context)->uc_mcontext.sp)
#endif

static _Atomic int stop_signal;
static os_stop_handler *stop_handler;

/* Not instrumented: the thread sanitizer may be in the middle of its work for this thread, or know it no more. */
__attribute__((no_sanitize("thread"))) static void on_stop_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    if (!os_may_stop_here(context))
        return;
    int saved = errno;
    /* The kernel wrote the interrupted registers, all of them, into the frame above this function's. */
    stop_handler((uintptr_t)__builtin_frame_address(0), CONTEXT_SP((const ucontext_t *)context), context);
    errno = saved;
}

void os_stop_signal_install(os_stop_handler *handler, int wanted) {
    if (atomic_load(&stop_signal) != 0)
        return;
    stop_handler = handler;
    int chosen = wanted;
    if (chosen <= 0 || chosen > SIGRTMAX) {
        for (chosen = SIGRTMAX - 1; chosen > SIGRTMIN; chosen--) {
            struct sigaction now;
            if (os_sigaction_unwrapped(chosen, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
                now.sa_handler == SIG_DFL)
                break;
        }
    }
    struct sigaction action = {0};
    action.sa_sigaction = on_stop_signal;
    /* On the alternate stack: the interrupted one may have no room for the registers, which are kilobytes. Valgrind does
     * not see that the thread is on another stack, takes the next large change of the stack pointer for that, and then
     * does not know of the frame that was begun there (its VG_(unknown_SP_update)). */
    action.sa_flags = SA_SIGINFO | SA_RESTART | (RUNNING_ON_VALGRIND ? 0 : SA_ONSTACK);
    sigfillset(&action.sa_mask); /* a stopped thread runs nothing */
    if (os_sigaction_stop(chosen, &action) != 0)
        os_fatal("burrow: signal %d cannot be used to stop threads; set BURROWDEBUG=stopsignal=N to another", chosen);
    atomic_store(&stop_signal, chosen);
}

int os_stop_signal(void) {
    return atomic_load_explicit(&stop_signal, memory_order_relaxed);
}

void os_stop_signal_unblock(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, os_stop_signal());
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static const int own_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

void os_fault_signals_unblock(void) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof own_signals / sizeof *own_signals; i++)
        sigaddset(&set, own_signals[i]);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* The kernel's call: its sets have 64 bits, libc's leave out the signals that libc uses itself. */
static uint64_t set_mask(uint64_t mask) {
    uint64_t before = 0;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &before, sizeof mask);
    return before;
}

uint64_t os_signals_block(void) {
    uint64_t mask = ~(uint64_t)0;
    for (size_t i = 0; i < sizeof own_signals / sizeof *own_signals; i++)
        mask &= ~((uint64_t)1 << (own_signals[i] - 1));
    return set_mask(mask);
}

void os_signals_restore(uint64_t before) {
    set_mask(before);
}

bool os_stop_signal_send(pid_t thread) {
    int saved = errno;
    long result = syscall(SYS_tgkill, getpid(), thread, os_stop_signal());
    /* The queue of real-time signals can be full (EAGAIN): the caller tries again. */
    errno = saved;
    return result == 0;
}

bool os_on_alternate_stack(uintptr_t *lo, uintptr_t *hi) {
    stack_t stack;
    if (sigaltstack(NULL, &stack) != 0 || !(stack.ss_flags & SS_ONSTACK))
        return false;
    *lo = (uintptr_t)stack.ss_sp;
    *hi = *lo + stack.ss_size;
    return true;
}

bool os_alternate_stack_set(void *at, size_t bytes) {
    stack_t before, stack = {.ss_sp = at, .ss_size = bytes};
    if (sigaltstack(&stack, &before) != 0)
        return false;
    if (before.ss_flags & SS_DISABLE)
        return true;
    sigaltstack(&before, NULL);
    return false;
}

bool os_alternate_stack_unset(void *at) {
    stack_t now;
    if (sigaltstack(NULL, &now) != 0 || now.ss_sp != at)
        return true;
    return sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL) == 0; /* refused to one that runs on it */
}

/* --- faults ---
 *
 * A fault that is to be a panic must not panic in the handler: that runs on a small stack, and the signal mask is its
 * own. So the handler changes the registers that the kernel will put back, and returns: the thread then goes on in
 * os_fault_entry, as if the faulting instruction had called that; or, if its stack is full, in os_fault_entry on
 * another stack. From there the stack can be walked to the faulting function, whose registers and stack pointer the
 * entry's unwind information names.
 */

__thread struct os_fault os_fault __attribute__((tls_model("initial-exec")));
__thread struct __jmp_buf_tag *os_fault_escape __attribute__((tls_model("initial-exec")));

static bool (*fault_explain)(uintptr_t address, char *text, size_t room);
static const struct os_fault_hooks *fault_hooks;
/* What was done at a fault before. Not whole struct sigactions: of a mask the kernel fills only the beginning, and what
 * sigaction leaves in the rest is old stack, which static data would then show to the collector for ever. */
static struct {
    void (*action)(int, siginfo_t *, void *); /* NULL: handler says */
    void (*handler)(int);
} fault_before[3];
static const int fault_signals[3] = {SIGSEGV, SIGBUS, SIGFPE};

#define RED_ZONE 128u   /* what a function that calls nothing may use below its stack pointer */
#define NIL_BYTES 4096u /* addresses below are a null pointer's, or those of the members of what it should refer to */

/* Where the thread goes on. The registers hold what it needs: the stack pointer and the address of the fault. */
void os_fault_entry(void);
#if defined(__x86_64__)
static void context_enter(ucontext_t *context, uintptr_t stack_pointer) {
    greg_t *registers = context->uc_mcontext.gregs;
    registers[REG_R10] = registers[REG_RSP];
    registers[REG_R11] = registers[REG_RIP];
    if ((uintptr_t)registers[REG_RIP] < NIL_BYTES) { /* a null pointer was called: the caller is where it was */
        registers[REG_R11] = *(const greg_t *)registers[REG_RSP];
        registers[REG_R10] += 8;
    }
    registers[REG_RSP] = (greg_t)(stack_pointer & ~(uintptr_t)15);
    registers[REG_RIP] = (greg_t)(uintptr_t)os_fault_entry;
    registers[REG_EFL] &= ~(greg_t)0x400; /* the direction of string instructions */
}

/* The caller's frame is at *rsp (its stack pointer) and *(rsp + 8) (where in it); signal_frame: that is no return
 * address. emms: registers of the old floating point unit may be in use where it faulted. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl os_fault_entry\n"
        ".hidden os_fault_entry\n"
        ".type os_fault_entry, @function\n"
        ".cfi_startproc\n"
        ".cfi_signal_frame\n"
        ".cfi_def_cfa %r10, 0\n"
        ".cfi_register %rip, %r11\n"
        "nop\n"
        "os_fault_entry:\n"
        "pushq %r11\n"
        "pushq %r10\n"
        ".cfi_escape 0x0f, 0x03, 0x77, 0x00, 0x06\n" /* cfa = *(rsp + 0) */
        ".cfi_escape 0x10, 0x10, 0x02, 0x77, 0x08\n" /* rip at rsp + 8 */
        "emms\n"
        "call os_fault_raise\n"
        "ud2\n"
        ".cfi_endproc\n"
        ".size os_fault_entry, . - os_fault_entry\n");

__asm__(".text\n"
        ".p2align 4\n"
        ".globl os_stack_overflow_on\n"
        ".hidden os_stack_overflow_on\n"
        ".type os_stack_overflow_on, @function\n"
        "os_stack_overflow_on:\n"
        "movq (%rsp), %r11\n"
        "leaq 8(%rsp), %r10\n"
        "movq %rdi, %rsp\n"
        "jmp os_fault_entry\n"
        ".size os_stack_overflow_on, . - os_stack_overflow_on\n");

/* Was the divisor of the instruction that raised SIGFPE zero? If not, the quotient does not fit: the smallest number
 * divided by -1. Intel's manual, volume 2, chapter 2: prefixes, opcode F6 or F7, ModRM, SIB, displacement. */
static bool divisor_is_zero(const ucontext_t *context) {
    static const uint8_t order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    const greg_t *registers = context->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)CONTEXT_PC(context);
    size_t bytes = 4;
    uint8_t rex = 0;
    for (; *at == 0x66 || *at == 0x2e || *at == 0x3e; at++)
        bytes = *at == 0x66 ? 2 : bytes;
    if ((*at & 0xf0) == 0x40)
        rex = *at++;
    if ((*at & 0xfe) != 0xf6)
        return true;
    bytes = *at++ == 0xf6 ? 1 : rex & 8 ? 8 : bytes;
    uint8_t modrm = *at++, mode = modrm >> 6, low = modrm & 7, base = low | (rex & 1 ? 8 : 0);
    uint64_t value;
    if (mode == 3) {
        bool high_byte = bytes == 1 && rex == 0 && low >= 4;
        value = (uint64_t)registers[order[high_byte ? low - 4 : base]] >> (high_byte ? 8 : 0);
    } else {
        uintptr_t address = 0;
        bool from_pc = false;
        if (low == 4) {
            uint8_t sib = *at++, index = ((sib >> 3) & 7) | (rex & 2 ? 8 : 0);
            if (index != 4)
                address = (uintptr_t)registers[order[index]] << (sib >> 6);
            low = sib & 7;
            if (mode != 0 || low != 5)
                address += (uintptr_t)registers[order[low | (rex & 1 ? 8 : 0)]];
        } else if (mode != 0 || low != 5) {
            address = (uintptr_t)registers[order[base]];
        } else {
            from_pc = true;
        }
        int32_t displacement = 0;
        if (mode == 1)
            displacement = (int8_t)*at++;
        else if (mode == 2 || low == 5) {
            memcpy(&displacement, at, 4);
            at += 4;
        }
        address += (uintptr_t)(intptr_t)displacement + (from_pc ? (uintptr_t)at : 0);
        value = 0;
        memcpy(&value, (const void *)address, bytes); /* it was just read */
    }
    return bytes == 8 ? value == 0 : (value & (((uint64_t)1 << bytes * 8) - 1)) == 0;
}
#elif defined(__aarch64__)
static void context_enter(ucontext_t *context, uintptr_t stack_pointer) {
    context->uc_mcontext.regs[16] = context->uc_mcontext.sp;
    context->uc_mcontext.regs[17] =
        context->uc_mcontext.pc < NIL_BYTES ? context->uc_mcontext.regs[30] : context->uc_mcontext.pc;
    context->uc_mcontext.sp = stack_pointer & ~(uintptr_t)15;
    context->uc_mcontext.pc = (uintptr_t)os_fault_entry;
    context->uc_mcontext.pstate &= ~(uint64_t)0xc00; /* BTYPE: it comes by no branch */
}

/* Column 96 is the unwinder's for an address that is in no register: x30 is the faulting function's, and stays. */
__asm__(".text\n"
        ".p2align 4\n"
        ".globl os_fault_entry\n"
        ".hidden os_fault_entry\n"
        ".type os_fault_entry, %function\n"
        ".cfi_startproc\n"
        ".cfi_signal_frame\n"
        ".cfi_return_column 96\n"
        "nop\n"
        "os_fault_entry:\n"
        "stp x16, x17, [sp, #-16]!\n"
        "str x30, [sp, #-16]!\n"
        ".cfi_escape 0x0f, 0x03, 0x8f, 0x10, 0x06\n" /* cfa = *(sp + 16) */
        ".cfi_escape 0x10, 0x60, 0x02, 0x8f, 0x18\n" /* column 96 at sp + 24 */
        ".cfi_escape 0x10, 0x1e, 0x02, 0x8f, 0x00\n" /* x30 at sp */
        "bl os_fault_raise\n"
        "brk #1\n"
        ".cfi_endproc\n"
        ".size os_fault_entry, . - os_fault_entry\n");

__asm__(".text\n"
        ".p2align 4\n"
        ".globl os_stack_overflow_on\n"
        ".hidden os_stack_overflow_on\n"
        ".type os_stack_overflow_on, %function\n"
        "os_stack_overflow_on:\n"
        "mov x17, x30\n"
        "mov x16, sp\n"
        "mov sp, x0\n"
        "b os_fault_entry\n"
        ".size os_stack_overflow_on, . - os_stack_overflow_on\n");

static bool divisor_is_zero(const ucontext_t *context) {
    (void)context; /* integer division does not fault */
    return true;
}
#endif

#define NEAR_BYTES ((uintptr_t)64 << 10)

extern void *__libc_stack_end __attribute__((weak));
os_stack os_stack_now(os_stack stack) {
    struct rlimit limit;
    uintptr_t main_stack = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0;
    if (main_stack < stack.lo || main_stack >= stack.hi || getrlimit(RLIMIT_STACK, &limit) != 0 ||
        limit.rlim_cur >= stack.hi)
        return stack;
    /* glibc counts in other pages than the kernel does: nearly the same is the same. */
    uintptr_t lo = stack.hi - limit.rlim_cur;
    if (lo > stack.lo + NEAR_BYTES || lo + NEAR_BYTES < stack.lo)
        stack.lo = lo;
    return stack;
}

/* Is it one of the accesses by which a thread's stack overflows? `at`: the stack pointer. A frame may be large, so that
 * they are not next to one another. */
static bool is_stack_overflow(uintptr_t address, uintptr_t at) {
    const uintptr_t near = NEAR_BYTES, guard = 1 << 20;
    os_stack before = fault_hooks->stack(at);
    if (before.hi == 0 || at >= before.hi || address >= before.hi)
        return false;
    os_stack stack = os_stack_now(before);
    bool moved = stack.lo != before.lo;
    if (address < stack.lo - guard || address >= stack.lo + near)
        return false;
    return at < stack.lo + guard && (moved || address < stack.lo + near);
}

static enum os_panic_kind kind_of_fault(int number, const siginfo_t *info, const ucontext_t *context) {
    uintptr_t address = (uintptr_t)info->si_addr;
    if (number == SIGFPE)
        return info->si_code != FPE_INTDIV ? OS_PANIC_KINDS
               : divisor_is_zero(context)  ? OS_PANIC_DIVIDE
                                           : OS_PANIC_OVERFLOW;
    if (number == SIGSEGV && info->si_code != SEGV_MAPERR && info->si_code != SEGV_ACCERR)
        return OS_PANIC_KINDS; /* an address that is none is reported as 0, too */
    if (address < NIL_BYTES)
        return OS_PANIC_NIL;
    return is_stack_overflow(address, CONTEXT_SP(context)) ? OS_PANIC_STACK : OS_PANIC_KINDS;
}

void os_fault_end_of_stack(void) {
    os_stack stack = fault_hooks->stack(os_fault.stack_pointer);
    os_print(
        2,
        "runtime: goroutine stack exceeds %zu-byte limit\nruntime: sp=0x%lx stack=[0x%lx, 0x%lx]\nfatal error: stack "
        "overflow\n",
        (size_t)(stack.hi - stack.lo), (unsigned long)os_fault.stack_pointer, (unsigned long)stack.lo,
        (unsigned long)stack.hi);
    os_fault.number = 0; /* Go tells of no signal here */
    os_end();
}

/* Called by os_fault_entry: the thread runs as if the faulting instruction had called this. */
__attribute__((used, visibility("hidden"), noreturn)) void os_fault_raise(void);
void os_fault_raise(void) {
    enum os_panic_kind kind = os_fault.kind;
    char text[256];
    const char *what = os_panic_texts[kind] ? os_panic_texts[kind] : text;
    if (kind == OS_PANIC_ADDRESS)
        fault_explain(os_fault.address, text, sizeof text);
    if (os_panic_hooks_if_linked())
        os_panic_hooks_if_linked()->raise(kind, what);
    if (kind == OS_PANIC_STACK) {
        os_end_begin();
        os_fault_end_of_stack();
    }
    os_panic("%s", what);
}

void os_stack_overflow_on(uintptr_t stack_pointer) __attribute__((noreturn));
void os_stack_overflow(void) {
    uintptr_t at = (uintptr_t)__builtin_frame_address(0);
    os_fault = (struct os_fault){OS_PANIC_STACK, 0, 0, 0, 0, at};
    os_stack spare = fault_hooks->spare_stack(at);
    if (spare.hi == 0)
        os_fatal("runtime: out of memory: cannot make a stack to panic on");
    os_stack_overflow_on(spare.hi & ~(uintptr_t)15);
}

/* Has the thread panic once the handler returns. False: it cannot. */
static bool panic_after(enum os_panic_kind kind, int number, const siginfo_t *info, ucontext_t *context) {
    uintptr_t at = CONTEXT_SP(context);
    os_fault = (struct os_fault){kind, number, info->si_code, (uintptr_t)info->si_addr, CONTEXT_PC(context), at};
    if (kind == OS_PANIC_STACK) {
        os_stack spare = fault_hooks->spare_stack(at);
        if (spare.hi == 0)
            return false;
        at = spare.hi;
    } else {
        at -= RED_ZONE;
    }
    context_enter(context, at);
    return true;
}

static bool explained(uintptr_t address) {
    char text[256];
    return fault_explain && fault_explain(address, text, sizeof text);
}

static void on_fault(int number, siginfo_t *info, void *context) {
    if (os_fault_escape)
        siglongjmp(os_fault_escape, 1);
    int saved = errno, which = number == SIGSEGV ? 0 : number == SIGBUS ? 1 : 2;
    void (*action)(int, siginfo_t *, void *) = fault_before[which].action;
    void (*handler)(int) = fault_before[which].handler;
    bool handled = action || (handler != SIG_DFL && handler != SIG_IGN);
    enum os_panic_kind kind = OS_PANIC_KINDS;
    bool may_panic = fault_hooks && fault_hooks->may_panic();
    if (info->si_code > 0 && fault_hooks && !os_is_ending()) {
        if (may_panic && which < 2 && explained((uintptr_t)info->si_addr))
            kind = OS_PANIC_ADDRESS;
        else if (!handled)
            kind = kind_of_fault(number, info, context);
    }
    if (may_panic && kind != OS_PANIC_KINDS && panic_after(kind, number, info, context)) {
        errno = saved;
        return;
    }
    if (kind == OS_PANIC_STACK) {
        os_end_begin();
        os_print(2, may_panic ? "fatal error: stack overflow, while panicking for one\n"
                              : "fatal error: stack overflow, within the library\n");
        _exit(2);
    }
    errno = saved;
    if (action) {
        action(number, info, context);
    } else if (handler == SIG_IGN && info->si_code <= 0) {
        return;
    } else if (handled) {
        handler(number);
    } else {
        /* The default: put it back; the faulting instruction runs again and the program ends as it would have. */
        os_sigaction_unwrapped(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        if (info->si_code <= 0)
            raise(number);
    }
}

void os_fault_explain(bool (*explain)(uintptr_t address, char *text, size_t room)) {
    fault_explain = explain;
}

void os_fault_panics(const struct os_fault_hooks *hooks) {
    fault_hooks = hooks;
    struct sigaction action = {0};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    for (int i = 0; i < 3; i++) {
        struct sigaction before;
        if (os_sigaction_unwrapped(fault_signals[i], &action, &before) != 0)
            continue;
        if (before.sa_flags & SA_SIGINFO)
            fault_before[i].action = before.sa_sigaction;
        else
            fault_before[i].handler = before.sa_handler;
    }
}
