/* os_unwind.c - the frames of a stack that is not the caller's: of a parked goroutine, of a thread that was stopped.
 *
 * Unwinding is the C runtime's business: glibc's backtrace, and behind it the compiler's unwinder and the tables that
 * every function has. It begins where it is called. So it is called from a function whose own unwind information is a
 * lie: it says that the caller's registers, the stack pointer among them, are those of an os_context. From there the
 * unwinder goes on, on the other stack, which it only reads.
 *
 * It believes what it finds. In code whose unwind information is wrong it can come to an address where nothing is: that
 * fault ends the unwinding (os_fault_escape).
 *
 * One thread at a time, which is who stopped the world.
 */
#include "os.h"

#include <execinfo.h>
#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

/* The addresses of the frames from this call outwards, those of the context among them; how many. Two of them: the
 * context's pc is that of an instruction (what debuggers call a signal frame), or the address after a call. */
int os_backtrace_exact(void **frames, int room, const os_context *context) __attribute__((visibility("hidden")));
int os_backtrace_after_call(void **frames, int room, const os_context *context) __attribute__((visibility("hidden")));
extern const char os_backtrace_exact_returns[] __attribute__((visibility("hidden")));
extern const char os_backtrace_after_call_returns[] __attribute__((visibility("hidden")));

_Static_assert(offsetof(os_context, pc) == 0 && offsetof(os_context, registers) == 8, "as told to the unwinder");

/* SAVED(n, offset): register n is at that offset, of two digits in LEB128, from the register that holds the context. */
#if defined(__x86_64__)
#define SAVED(number, low, high) ".cfi_escape 0x10, " #number ", 0x03, 0x73, " #low ", " #high "\n" /* from rbx */
#define BACKTRACE(name, kind)                                                                                          \
    __asm__(".text\n"                                                                                                  \
            ".p2align 4\n"                                                                                             \
            ".globl " #name "\n"                                                                                       \
            ".hidden " #name "\n"                                                                                      \
            ".type " #name ", @function\n" #name ":\n"                                                                 \
            ".cfi_startproc\n" kind "pushq %rbx\n"                                                                     \
            "movq %rdx, %rbx\n"                                                                                        \
            ".cfi_escape 0x0f, 0x04, 0x73, 0xc0, 0x00, 0x06\n" /* cfa = registers[7] */                                \
            SAVED(0, 0x88, 0x00) SAVED(1, 0x90, 0x00) SAVED(2, 0x98, 0x00) SAVED(3, 0xa0, 0x00) SAVED(4, 0xa8, 0x00)   \
                SAVED(5, 0xb0, 0x00) SAVED(6, 0xb8, 0x00) SAVED(8, 0xc8, 0x00) SAVED(9, 0xd0, 0x00)                    \
                    SAVED(10, 0xd8, 0x00) SAVED(11, 0xe0, 0x00) SAVED(12, 0xe8, 0x00) SAVED(13, 0xf0, 0x00)            \
                        SAVED(14, 0xf8, 0x00) SAVED(15, 0x80, 0x01)                                                    \
                            SAVED(16, 0x80, 0x00) "call backtrace@PLT\n"                                               \
                                                  ".globl " #name "_returns\n"                                         \
                                                  ".hidden " #name "_returns\n" #name "_returns:\n"                    \
                                                  "popq %rbx\n"                                                        \
                                                  "ret\n"                                                              \
                                                  ".cfi_endproc\n"                                                     \
                                                  ".size " #name ", . - " #name "\n")
#elif defined(__aarch64__)
#define SAVED(number, low, high) ".cfi_escape 0x10, " #number ", 0x03, 0x83, " #low ", " #high "\n" /* from x19 */
/* Column 96: see os_fault_entry. */
#define BACKTRACE(name, kind)                                                                                          \
    __asm__(".text\n"                                                                                                  \
            ".p2align 4\n"                                                                                             \
            ".globl " #name "\n"                                                                                       \
            ".hidden " #name "\n"                                                                                      \
            ".type " #name ", %function\n" #name ":\n"                                                                 \
            ".cfi_startproc\n" kind ".cfi_return_column 96\n"                                                          \
            "stp x29, x30, [sp, #-32]!\n"                                                                              \
            "str x19, [sp, #16]\n"                                                                                     \
            "mov x29, sp\n"                                                                                            \
            "mov x19, x2\n"                                                                                            \
            ".cfi_escape 0x0f, 0x04, 0x83, 0x80, 0x02, 0x06\n" /* cfa = registers[31] */                               \
            SAVED(19, 0xa0, 0x01) SAVED(20, 0xa8, 0x01) SAVED(21, 0xb0, 0x01) SAVED(22, 0xb8, 0x01)                    \
                SAVED(23, 0xc0, 0x01) SAVED(24, 0xc8, 0x01) SAVED(25, 0xd0, 0x01) SAVED(26, 0xd8, 0x01)                \
                    SAVED(27, 0xe0, 0x01) SAVED(28, 0xe8, 0x01) SAVED(29, 0xf0, 0x01) SAVED(30, 0xf8, 0x01)            \
                        SAVED(96, 0x80, 0x00) "bl backtrace\n"                                                         \
                                              ".globl " #name "_returns\n"                                             \
                                              ".hidden " #name "_returns\n" #name "_returns:\n"                        \
                                              "ldr x19, [sp, #16]\n"                                                   \
                                              "ldp x29, x30, [sp], #32\n"                                              \
                                              "ret\n"                                                                  \
                                              ".cfi_endproc\n"                                                         \
                                              ".size " #name ", . - " #name "\n")
#endif
BACKTRACE(os_backtrace_exact, ".cfi_signal_frame\n");
BACKTRACE(os_backtrace_after_call, "");

#if defined(__x86_64__)
void os_context_of_signal(os_context *context, const void *signal_context) {
    static const uint8_t order[16] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP,
                                      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    const greg_t *registers = ((const ucontext_t *)signal_context)->uc_mcontext.gregs;
    for (size_t i = 0; i < 16; i++)
        context->registers[i] = (uintptr_t)registers[order[i]];
    context->pc = (uintptr_t)registers[REG_RIP];
    context->exact = true;
}
#define STACK_POINTER 7
#define FRAME_POINTER 6
#elif defined(__aarch64__)
void os_context_of_signal(os_context *context, const void *signal_context) {
    const mcontext_t *machine = &((const ucontext_t *)signal_context)->uc_mcontext;
    for (size_t i = 0; i < 31; i++)
        context->registers[i] = machine->regs[i];
    context->registers[31] = machine->sp;
    context->pc = machine->pc;
    context->exact = true;
}
#define STACK_POINTER 31
#define FRAME_POINTER 29
#endif

void os_context_of_place(os_context *context, os_place place) {
    *context = (os_context){.pc = place.pc, .exact = true};
    context->registers[STACK_POINTER] = place.sp;
    context->registers[FRAME_POINTER] = place.fp;
}

#define MOST_FRAMES ((size_t)1 << 20)
#define FEW_FRAMES ((size_t)512)
static void *few[FEW_FRAMES], **room = few; /* for every frame of the deepest stack */
static size_t most = FEW_FRAMES;

void os_unwind_prepare(void) {
    void *some[4];
    backtrace(some, 4);
    if (room == few) {
        void **more = os_map(MOST_FRAMES * sizeof *room);
        if (more) {
            room = more;
            most = MOST_FRAMES;
        }
    }
}

/* Fills `room`; how many frames. */
static size_t backtrace_of(const os_context *context) {
    static size_t used;
    struct __jmp_buf_tag escape[1];
    memset(room, 0, used * sizeof *room);
    used = 0;
    if (sigsetjmp(escape, 0) == 0) {
        os_fault_escape = escape;
        if (context->exact)
            os_backtrace_exact(room, (int)most, context);
        else
            os_backtrace_after_call(room, (int)most, context);
    }
    os_fault_escape = NULL;
    while (used < most && room[used])
        used++;
    return used;
}

size_t os_unwind(const os_context *context, uintptr_t *frames) {
    const void *returns = context->exact ? os_backtrace_exact_returns : os_backtrace_after_call_returns;
    size_t count = context->pc ? backtrace_of(context) : 0, first = 0;
    while (first < count && room[first] != returns)
        first++;
    if (first == count)
        return 0;
    size_t total = count - first - 1, half = OS_TRACEBACK_FRAMES / 2;
    void **from = room + first + 1;
    for (size_t i = 0; i < total && i < 2 * half; i++)
        frames[i] = (uintptr_t)from[total > 2 * half && i >= half ? total - 2 * half + i : i];
    return total;
}
