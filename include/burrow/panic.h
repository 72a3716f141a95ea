/* burrow/panic.h - Go's panic, defer and recover.
 *
 * bw_defer(f, args...) calls f when the block around it is left; bw_panic(v) gives up what the thread is doing, running
 * what it has deferred, up to the nearest bw_try or bw_protect, which gets v. Example:
 *
 *     static void work(int denominator) {
 *         FILE *file = fopen("/dev/null", "w");
 *         if (file == NULL)
 *             bw_panic("no /dev/null");
 *         bw_defer(fclose, file);
 *         fprintf(file, "%d\n", bw_div(100, denominator));
 *     }
 *
 *     int main(void) {
 *         bw_try {
 *             work(0);
 *         }
 *         bw_recover(e) {
 *             bw_error err = bw_assert_type(bw_error, e);
 *             bw_string text = bw_call(err, error);
 *             printf("%.*s\n", (int)text.len, text.ptr);
 *         }
 *         return 0;
 *     }
 *
 * prints "runtime error: integer divide by zero". A panic that nobody recovers ends the program with exit status 2,
 * after the deferred calls have run, and Go's message on standard error: the value, and the stack. docs/panics.md lists
 * what the library itself panics with.
 *
 * What panics besides bw_panic: the library, where it is used wrongly (an index out of range, a second bw_free, ...),
 * an access to an address below 4096 through a null pointer, a division of an integer by zero, and a stack that
 * overflows. Those values are runtime errors: bw_is_runtime_error says so, and bw_assert_type(bw_error, e) gives the
 * error. The last three come from signals: if the program handles SIGSEGV, SIGBUS or SIGFPE itself its handler is
 * called instead, and on aarch64 integer division by zero is no fault at all (bw_div and bw_mod check on either). Which
 * stack overflow is noticed: that of a thread that Burrow knows, which gets an alternate signal stack unless it has
 * one.
 *
 * The compiler assumes that no null pointer is dereferenced and that nothing is divided by zero: what it moves out of a
 * bw_try or removes is not noticed there (docs/panics.md, "Limits").
 *
 * Each thread has its own panics. In a signal handler a panic ends the program; longjmp must not be used to leave a
 * block that has deferred something, nor a bw_try (a jump within them is fine). A thread that ends by pthread_exit runs
 * what it has deferred; one that is cancelled does so only if the program is compiled with -fexceptions.
 *
 * What the compiler rejects or warns about: for the arguments of bw_defer and bw_protect all that it does for a direct
 * call of f; bw_panic of a value whose type has to be named (bw_any_as); bw_defer as the only statement of an `if` or
 * loop; a function that returns a struct of more than 16 bytes, a packed one or a long double; (gcc) a function that is
 * declared noreturn, const or pure, which with clang misbehaves instead: wrap it in one that is not; more than 16
 * arguments, or 128 words of them; vectors of more than 16 bytes; and on aarch64 struct arguments of more than 16
 * bytes, whose address is passed there: pass a pointer.
 */
#ifndef BURROW_PANIC_H
#define BURROW_PANIC_H

#include <burrow/interface.h>
#include <setjmp.h>

#ifndef __cplusplus

/* --- internal: a call whose arguments have been stored, to be made later ---
 * The compiler places and converts the arguments for a call through the function's own type; what is called is a
 * trampoline that stores them, with the record's address in the static chain register. */
typedef struct bw__call {
    void (*function)(void);
    size_t stack_words; /* words of arguments that may be on the stack; they follow the record */
    uint64_t integer[9];
    uint64_t vector[8][2] __attribute__((aligned(16)));
} bw__call;

typedef struct bw__defer {
    struct bw__defer *next;
    struct bw__defer *self; /* its address, while it is in the list */
    bw__call call;
} bw__defer;

/* A panic under way, or one that was recovered and whose bw_recover block has not ended. */
typedef struct bw__panicking {
    bw_any value;
    struct bw__panicking *link; /* the one that was under way when this began */
    bool recovered, repanicked;
    int kind; /* enum os_panic_kind */
} bw__panicking;

typedef struct bw__try {
    struct bw__try *outer;
    bw__defer *defers; /* when it began: what is deferred later runs before it recovers */
    bw__panicking *panics;
    bw__panicking recovered;
    bool once, caught;
    jmp_buf environment;
} bw__try;

/* The compiler knows of most accesses that nobody looks at the lists meanwhile; but any of them may fault. */
#define BW__MAY_PANIC() __asm__ volatile("" : : : "memory")

/* What a thread has deferred, where it recovers, what it panics with; the newest first. */
struct bw__flow {
    bw__defer *defers;
    bw__try *tries;
    bw__panicking *panics;
    /* What bw_protect returned last: panicking with just that again is Go's re-panic. The address is kept in a form in
     * which it keeps nothing alive. */
    const bw_type *returned;
    uintptr_t hidden;
};

BW__BEGIN
extern BW_API __thread struct bw__flow bw__flow __attribute__((tls_model("initial-exec")));
extern BW_API void (*const bw__call_storer)(void); /* only ever called as another function, see above */
BW_API void bw__call_make(const bw__call *call);
BW_API void bw__defer_left(bw__defer *defer);
BW_API bw_any bw__protect(const bw__call *call);
BW_API void bw__panic(bw_any value) __attribute__((noreturn, cold));
BW_API void bw__panic_divide(void) __attribute__((noreturn, cold));

/* Is it a runtime error: what the library, or a fault, panics with? */
BW_API bool bw_is_runtime_error(bw_any value);
BW__END

/* --- how much of the stack the arguments may take --- */
#define BW__SUM(macro, ...) BW__JOIN(BW__SUM_, BW__COUNT_TO_16(__VA_ARGS__))(macro, ##__VA_ARGS__)
#define BW__COUNT_TO_16(...)                                                                                           \
    BW__COUNT_TO_16_(0 __VA_OPT__(, ) __VA_ARGS__, TOO_MANY_ARGUMENTS, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,   \
                     3, 2, 1, 0)
#define BW__COUNT_TO_16_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, n, ...) n
#define BW__SUM_0(m) 0
#define BW__SUM_1(m, a) m(a)
#define BW__SUM_2(m, a, ...) m(a) + BW__SUM_1(m, __VA_ARGS__)
#define BW__SUM_3(m, a, ...) m(a) + BW__SUM_2(m, __VA_ARGS__)
#define BW__SUM_4(m, a, ...) m(a) + BW__SUM_3(m, __VA_ARGS__)
#define BW__SUM_5(m, a, ...) m(a) + BW__SUM_4(m, __VA_ARGS__)
#define BW__SUM_6(m, a, ...) m(a) + BW__SUM_5(m, __VA_ARGS__)
#define BW__SUM_7(m, a, ...) m(a) + BW__SUM_6(m, __VA_ARGS__)
#define BW__SUM_8(m, a, ...) m(a) + BW__SUM_7(m, __VA_ARGS__)
#define BW__SUM_9(m, a, ...) m(a) + BW__SUM_8(m, __VA_ARGS__)
#define BW__SUM_10(m, a, ...) m(a) + BW__SUM_9(m, __VA_ARGS__)
#define BW__SUM_11(m, a, ...) m(a) + BW__SUM_10(m, __VA_ARGS__)
#define BW__SUM_12(m, a, ...) m(a) + BW__SUM_11(m, __VA_ARGS__)
#define BW__SUM_13(m, a, ...) m(a) + BW__SUM_12(m, __VA_ARGS__)
#define BW__SUM_14(m, a, ...) m(a) + BW__SUM_13(m, __VA_ARGS__)
#define BW__SUM_15(m, a, ...) m(a) + BW__SUM_14(m, __VA_ARGS__)
#define BW__SUM_16(m, a, ...) m(a) + BW__SUM_15(m, __VA_ARGS__)

/* The words of one argument; and how many of them may be in memory whatever registers are free: structs that are larger
 * than two words or aligned to more than one, and numbers, since the parameter may be a long double. */
#define BW__IS_STRUCT_CLASS(x) (__builtin_classify_type(x) == 12 || __builtin_classify_type(x) == 13)
#define BW__ARGUMENT_WORDS(x)                                                                                          \
    (__builtin_classify_type(x) == 5 ? 1 : (sizeof(__typeof__((void)0, (x))) + sizeof(void *) - 1) / sizeof(void *))
#define BW__MEMORY_WORDS(x)                                                                                            \
    (__builtin_classify_type(x) == 5                                                   ? 0                             \
     : !BW__IS_STRUCT_CLASS(x)                                                         ? 5                             \
     : sizeof(__typeof__((void)0, (x))) > 16 || _Alignof(__typeof__((void)0, (x))) > 8 ? BW__ARGUMENT_WORDS(x) + 1     \
                                                                                       : 0)
#define BW__ANY_WORDS(x) (BW__MEMORY_WORDS(x) > 0 ? BW__MEMORY_WORDS(x) : BW__ARGUMENT_WORDS(x))
#define BW__STACK_WORDS(...)                                                                                           \
    ((BW__SUM(BW__ARGUMENT_WORDS, ##__VA_ARGS__)) <= 6 ? BW__SUM(BW__MEMORY_WORDS, ##__VA_ARGS__)                      \
                                                       : BW__SUM(BW__ANY_WORDS, ##__VA_ARGS__))
/* How many registers of one kind they take at most: a number may become one of two words. */
#define BW__REGISTER_WORDS_OF(x) (__builtin_classify_type(x) == 5 || BW__IS_STRUCT_CLASS(x) ? BW__ARGUMENT_WORDS(x) : 2)
#define BW__REGISTER_WORDS(...) (BW__SUM(BW__REGISTER_WORDS_OF, ##__VA_ARGS__))
#define BW__MOST_STACK_WORDS 128
#if defined(__aarch64__)
#define BW__MOST_STRUCT_BYTES 16
#else
#define BW__MOST_STRUCT_BYTES 1024
#endif
#define BW__CANNOT_BE_STORED(x)                                                                                        \
    (__builtin_classify_type(x) != 5 &&                                                                                \
     sizeof(__typeof__((void)0, (x))) > (BW__IS_STRUCT_CLASS(x)            ? BW__MOST_STRUCT_BYTES                     \
                                         : __builtin_classify_type(x) == 9 ? 32                                        \
                                                                           : 16))

/* May a function return this, and nobody look at it? */
#define BW__IS_VOID(x) __builtin_types_compatible_p(__typeof__(x), void)
#define BW__NOT_VOID(x) __builtin_choose_expr(BW__IS_VOID(x), 0, x)
#define BW__RETURN_IN_REGISTERS(x)                                                                                     \
    (sizeof(x) <= 16 && _Alignof(__typeof__(x)) <= 8 &&                                                                \
     !(BW__IS_STRUCT_CLASS(x) && _Alignof(__typeof__(x)) < 4 && sizeof(x) > _Alignof(__typeof__(x))))
#if defined(__clang__)
#define BW__HAS_ATTRIBUTE(f, attribute) 0
#else
/* Of a function, or of the type that a pointer refers to. Of a pointer itself gcc 12 says that it is pure if it is a
 * parameter, and const if it is const. */
#define BW__IS_FUNCTION(f) __builtin_types_compatible_p(__typeof__(f), __typeof__(*(f)))
#define BW__HAS_ATTRIBUTE(f, attribute)                                                                                \
    ((BW__IS_FUNCTION(f) && __builtin_has_attribute(f, attribute)) || __builtin_has_attribute(*(f), attribute))
#endif

/* Stores a call of f with these arguments in the record at `call`, which has room for its words of stack. */
#define BW__CALL_STORE(type_, result_, call, f, ...)                                                                   \
    do {                                                                                                               \
        typedef __typeof__(*(f)) type_;                                                                                \
        _Static_assert(!BW__HAS_ATTRIBUTE(f, noreturn), "a function declared noreturn has to be wrapped");             \
        _Static_assert(!BW__HAS_ATTRIBUTE(f, const) && !BW__HAS_ATTRIBUTE(f, pure), "a function without effects");     \
        typedef __typeof__(BW__NOT_VOID((f)(__VA_ARGS__))) result_##type;                                              \
        _Static_assert(BW__RETURN_IN_REGISTERS(BW__LVALUE(result_##type)),                                             \
                       "the function returns a struct of more than 16 bytes, a packed one or a long double");          \
        _Static_assert(BW__STACK_WORDS(__VA_ARGS__) <= BW__MOST_STACK_WORDS,                                           \
                       "the arguments take more than 128 words");                                                      \
        _Static_assert((BW__SUM(BW__CANNOT_BE_STORED, ##__VA_ARGS__)) == 0,                                            \
                       "a struct or vector that is too large to be passed: pass a pointer to it");                     \
        (call)->function = (void (*)(void))(f);                                                                        \
        (call)->stack_words = BW__STACK_WORDS(__VA_ARGS__);                                                            \
        result_##type result_ = __builtin_choose_expr(                                                                 \
            BW__IS_VOID((f)(__VA_ARGS__)),                                                                             \
            (__builtin_call_with_static_chain(((type_ *)bw__call_storer)(__VA_ARGS__), (void *)(call)), 0),            \
            __builtin_call_with_static_chain(((type_ *)bw__call_storer)(__VA_ARGS__), (void *)(call)));                \
        (void)result_;                                                                                                 \
    } while (0)

/* bw_defer(f, args...): evaluates the arguments now, and calls f with them when the enclosing block is left: at its
 * end, by return, break, continue or goto, or by a panic. Calls deferred in one block are made in reverse order. Any
 * function and any arguments, as in a direct call; what f returns is ignored. A block is C's: a loop's body is left
 * after each round. Cost: a few nanoseconds and some 250 bytes of stack. Example, within a function:
 *
 *     FILE *file = fopen("/dev/null", "r");
 *     bw_defer(fclose, file);
 *     bw_defer(printf, "bye, %s\n", "file");
 */
#define bw_defer(f, ...) BW__DEFER(BW__UNIQUE(defer), BW__UNIQUE(type), BW__UNIQUE(result), f, ##__VA_ARGS__)
#define BW__DEFER(record_, type_, result_, f, ...)                                                                     \
    struct {                                                                                                           \
        bw__defer defer;                                                                                               \
        uintptr_t stack[BW__STACK_WORDS(__VA_ARGS__)];                                                                 \
    } record_ __attribute__((cleanup(bw__defer_end)));                                                                 \
    BW__CALL_STORE(type_, result_, &record_.defer.call, f, ##__VA_ARGS__);                                             \
    bw__defer_begin(&record_.defer)
static inline __attribute__((always_inline)) void bw__defer_begin(bw__defer *defer) {
    struct bw__flow *flow = BW__HERE(bw__flow);
    defer->next = flow->defers;
    defer->self = defer;
    flow->defers = defer;
    BW__MAY_PANIC();
}
static inline __attribute__((always_inline)) void bw__defer_end(void *record) {
    bw__defer *defer = (bw__defer *)record;
    BW__MAY_PANIC();
    struct bw__flow *flow = BW__HERE(bw__flow);
    if (BW__LIKELY(flow->defers == defer)) {
        flow->defers = defer->next;
        bw__call_make(&defer->call);
    } else {
        bw__defer_left(defer);
    }
}

/* bw_panic(v): v is anything that bw_any_of takes: a text, a number, a bw_error, a bw_any; others:
 * bw_panic(bw_any_as(T, x)). Does not return. Runs what the thread has deferred, newest first, and goes on at the
 * nearest bw_try or bw_protect, or ends the program. If a deferred call panics, that panic replaces the one under way.
 * A nil bw_any or bw_error becomes a runtime error. Cost, with recovering: some 100 nanoseconds. */
#define bw_panic(v) bw__panic(bw_any_of(v))

/* bw_any bw_protect(f, args...): calls f; nil, or the value of the panic that ended it. What f returns is ignored.
 * Example, within a function:
 *
 *     bw_any e = bw_protect(printf, "no panic in %s\n", "printf");
 *     if (!bw_is_nil(e))
 *         bw_panic(e);
 */
#define bw_protect(f, ...) BW__PROTECT(BW__UNIQUE(call), BW__UNIQUE(type), BW__UNIQUE(result), f, ##__VA_ARGS__)
#define BW__PROTECT(record_, type_, result_, f, ...)                                                                   \
    ({                                                                                                                 \
        struct {                                                                                                       \
            bw__call call;                                                                                             \
            uintptr_t stack[BW__STACK_WORDS(__VA_ARGS__)];                                                             \
        } record_;                                                                                                     \
        BW__CALL_STORE(type_, result_, &record_.call, f, ##__VA_ARGS__);                                               \
        bw__protect(&record_.call);                                                                                    \
    })

/* bw_try { ... } bw_recover(e) { ... }: if the first block panics, what it has deferred runs, and then the second
 * block, with the panic's value in `e`, a bw_any. Without bw_recover the panic is forgotten. Either block may be left
 * by return, goto and break, which ends this statement, not a loop around it. A panic in the second block goes on
 * outwards: bw_panic(e) there is Go's re-panic. Local variables that the first block changes and the second one, or
 * what follows, reads must be volatile: the compiler may have them in registers, which get their old values back. (gcc
 * -Wextra warns of that, -Wclobbered, and of counters of loops around the statement, too.) Cost: a few nanoseconds.
 * Example, within a function:
 *
 *     volatile int tries = 0;
 *     bw_try {
 *         tries = tries + 1;
 *         bw_panic("no luck");
 *     }
 *     bw_recover(e) {
 *         bw_string text = bw_assert_type(bw_string, e);
 *         printf("%d: %.*s\n", tries, (int)text.len, text.ptr);
 *     }
 */
#define bw_try BW__TRY(BW__UNIQUE(try), BW__UNIQUE(begun))
#define BW__TRY(try_, begun_)                                                                                          \
    for (bw__try try_ __attribute__((cleanup(bw__try_end))), *begun_ __attribute__((unused)) = bw__try_begin(&try_);   \
         try_.once; try_.once = false)                                                                                 \
        if (_setjmp(try_.environment) == 0 && bw__try_body())
#define bw_recover(e) BW__RECOVER(BW__UNIQUE(once), e)
#define BW__RECOVER(once_, e) else for (bw_any e = BW__HERE(bw__flow)->panics->value, *once_ = &e; once_; once_ = NULL)
static inline bw__try *bw__try_begin(bw__try *try) {
    struct bw__flow *flow = BW__HERE(bw__flow);
    try->outer = flow->tries;
    try->defers = flow->defers;
    try->panics = flow->panics;
    try->once = true;
    try->caught = false;
    flow->tries = try;
    BW__MAY_PANIC();
    return try;
}
static inline bool bw__try_body(void) {
    BW__MAY_PANIC();
    return true;
}
static inline void bw__try_end(bw__try *try) {
    BW__MAY_PANIC();
    struct bw__flow *flow = BW__HERE(bw__flow);
    if (BW__LIKELY(!try->caught))
        flow->tries = try->outer;
    else
        flow->panics = try->panics;
}

/* bw_div(a, b), bw_mod(a, b): a / b and a % b of integers, on every CPU with Go's rules: b == 0 panics with "runtime
 * error: integer divide by zero"; the smallest number divided by -1 is itself, with remainder 0. Cost: two
 * comparisons. */
#define bw_div(a, b) BW__DIVIDE(BW__UNIQUE(dividend), BW__UNIQUE(divisor), BW__UNIQUE(result), a, b, /, negated)
#define bw_mod(a, b) BW__DIVIDE(BW__UNIQUE(dividend), BW__UNIQUE(divisor), BW__UNIQUE(result), a, b, %, zero)
#define BW__DIVIDE(a_, b_, result_, a, b, operator, of_minus_one)                                                      \
    ({                                                                                                                 \
        __typeof__((a) operator(b)) a_ = (a), b_ = (b), result_;                                                       \
        if (BW__UNLIKELY(b_ == 0))                                                                                     \
            bw__panic_divide();                                                                                        \
        if ((__typeof__(result_))-1 < (__typeof__(result_))1 && b_ == (__typeof__(result_))-1)                         \
            result_ = BW__DIVIDED_##of_minus_one(a_, result_);                                                         \
        else                                                                                                           \
            result_ = a_ operator b_;                                                                                  \
        result_;                                                                                                       \
    })
#define BW__DIVIDED_zero(a_, result_) 0
#define BW__DIVIDED_negated(a_, result_) ((void)__builtin_sub_overflow(0, a_, &result_), result_)

#endif
#endif
