/* context.c - contexts.
 *
 * Each context refers to its parent. What can be cancelled is a NODE; other contexts stand for the nearest node above
 * them. A node is on that node's list, its holder's, so that cancelling goes down the tree; a function to be called after
 * a context is a node on that list, too. A node leaves the list when it is cancelled itself.
 *
 * CANCELLING. Whoever sets a node's `cancelled`, under its lock, has it: takes its children off their list, sets
 * `cancelled` of each, and so on; nobody can be added to a node that is cancelled. Then it closes the channels, those of
 * parents before their children's; and then, children first, it tells that a node is `settled`: all below it are done.
 * Who finds a node cancelled waits for its channel before it says so, and who is to cancel it, until it is settled. Only
 * parents' cancellers wait for children's, so that they cannot wait for one another.
 *
 * Locks are held by threads that are INSIDE, for a few instructions; nothing is allocated, closed, called or locked under
 * one.
 */
#include "../lang/lang.h"
#include "../sched/sched.h"

#include <burrow/context.h>
#include <burrow/memory.h>

#include <string.h>

struct call_after {
    _Atomic bool decided; /* it is called, or will not be */
    uintptr_t by;
    bw__call call; /* the words of its stack follow */
};

/* A channel that is closed some time, and is not made before somebody asks for it. */
struct gate {
    void *_Atomic channel; /* a bw_chan(bool) */
    _Atomic bool open;     /* the channel, if there is one, is closed */
};

typedef struct bw_context_node {
    bw_context parent;
    struct bw_context_node *holder; /* NULL: there is no node above */
    int64_t deadline;               /* 0: its parent's */
    struct call_after *call;        /* NULL: it is a context */
    os_lock lock;                   /* of what follows */
    struct gate done, settled;
    _Atomic bool cancelled; /* read without it */
    bw_error err, cause;    /* once it is cancelled, as they are */
    bw_timer *timer;
    struct bw_context_node *children;        /* once it is cancelled, the canceller's */
    struct bw_context_node *earlier, *later; /* the canceller's: those that it cancelled before and after */
    /* Under the holder's lock; `next` of nodes that were taken off the list together is the canceller's. */
    bool listed;
    struct bw_context_node *next, *previous;
} bw_context_node;
BW_TYPE(bw_context_node, parent, holder, deadline, call, lock, done, settled, cancelled, err, cause, timer, children,
        earlier, later, listed, next, previous);

BW_STRUCT(bw_context_root, (bw_string, name));
BW_STRUCT(bw_context_with, (bw_context, parent), (bw_any, key), (bw_any, value));
BW_STRUCT(bw_context_without, (bw_context, parent));

BW__INTERFACE_DEFINE(bw_context, (bool, deadline, int64_t *), (bw_chan(bool), done), (bw_error, err),
                     (bw_any, value, bw_any));

/* All are contexts by the functions of this file, which know them by their method tables. */
#define IMPLEMENT(T)                                                                                                   \
    static bw_context T##_as(T *ctx);                                                                                  \
    static bool T##_deadline(T *ctx, int64_t *when) {                                                                  \
        return bw_context_deadline(T##_as(ctx), when);                                                                 \
    }                                                                                                                  \
    static bw_chan(bool) T##_done(T *ctx) {                                                                            \
        return bw_context_done(T##_as(ctx));                                                                           \
    }                                                                                                                  \
    static bw_error T##_err(T *ctx) {                                                                                  \
        return bw_context_err(T##_as(ctx));                                                                            \
    }                                                                                                                  \
    static bw_any T##_value(T *ctx, bw_any key) {                                                                      \
        return bw__context_value(T##_as(ctx), key);                                                                    \
    }                                                                                                                  \
    static bw_string T##_string(T *ctx) {                                                                              \
        return text_of(T##_as(ctx));                                                                                   \
    }                                                                                                                  \
    BW_IMPL(bw_context, T, (bool, deadline, int64_t *), (bw_chan(bool), done), (bw_error, err),                        \
            (bw_any, value, bw_any));                                                                                  \
    BW_IMPL(bw_stringer, T, (bw_string, string));                                                                      \
    static bw_context T##_as(T *ctx) {                                                                                 \
        return bw_as(bw_context, T, ctx);                                                                              \
    }

static bw_string text_of(bw_context ctx);
IMPLEMENT(bw_context_root)
IMPLEMENT(bw_context_node)
IMPLEMENT(bw_context_with)
IMPLEMENT(bw_context_without)

#define IS(T, ctx) ((ctx).bw__table == &bw_context__##T##__table)
#define TO(T, ctx) ((T *)(ctx).bw__data)

/* The parent of one of ours that is no root. */
static bw_context parent_of(bw_context ctx) {
    return IS(bw_context_node, ctx)   ? TO(bw_context_node, ctx)->parent
           : IS(bw_context_with, ctx) ? TO(bw_context_with, ctx)->parent
                                      : TO(bw_context_without, ctx)->parent;
}

/* The nearest above that says something of cancelling: a node, or a context of the program's; nil: it never is. */
static bw_context decisive(bw_context ctx) {
    while (IS(bw_context_with, ctx))
        ctx = TO(bw_context_with, ctx)->parent;
    return IS(bw_context_root, ctx) || IS(bw_context_without, ctx) ? (bw_context){NULL, NULL} : ctx;
}

/* --- errors --- */

BW_STRUCT(bw_error_context, (bw_string, text));
static bw_string bw_error_context_error(bw_error_context *e) {
    return e->text;
}
BW_IMPL(bw_error, bw_error_context, (bw_string, error));

bw_error bw_err_canceled(void) {
    static bw_error_context e = {BW_STR_INIT("context canceled")};
    return bw_as(bw_error, bw_error_context, &e);
}
bw_error bw_err_deadline_exceeded(void) {
    static bw_error_context e = {BW_STR_INIT("context deadline exceeded")};
    return bw_as(bw_error, bw_error_context, &e);
}

/* --- gates --- */

static void *gate_channel(bw_context_node *node, struct gate *gate) {
    void *channel = atomic_load_explicit(&gate->channel, memory_order_acquire);
    if (channel)
        return channel;
    void *made = (void *)bw_make_chan(bool, 0);
    struct thread *self = thread_enter();
    os_lock_acquire(&node->lock);
    if ((channel = atomic_load(&gate->channel)) == NULL)
        atomic_store(&gate->channel, channel = made);
    os_lock_release(&node->lock);
    thread_leave(self);
    return channel;
}

/* The same channel for all gates that are opened before somebody asks. */
static void *closed_channel(void) {
    static void *_Atomic closed;
    void *channel = atomic_load(&closed);
    if (channel == NULL) {
        void *made = (void *)bw_make_chan(bool, 0);
        bw__chan_close(made);
        if (atomic_compare_exchange_strong(&closed, &channel, made))
            channel = made;
    }
    return channel;
}

static void gate_open(bw_context_node *node, struct gate *gate) {
    void *closed = closed_channel();
    struct thread *self = thread_enter();
    os_lock_acquire(&node->lock);
    void *channel = atomic_load(&gate->channel);
    if (channel == NULL)
        atomic_store(&gate->channel, closed);
    os_lock_release(&node->lock);
    thread_leave(self);
    if (channel)
        bw__chan_close(channel);
    atomic_store(&gate->open, true);
}

static void gate_wait(bw_context_node *node, struct gate *gate) {
    bool none;
    if (!atomic_load(&gate->open))
        bw__chan_recv(gate_channel(node, gate), &none);
}

static void *done_of(bw_context_node *node) {
    return gate_channel(node, &node->done);
}

/* --- lists --- */

/* On the holder's list. False: the holder is cancelled. */
static bool list_in(bw_context_node *holder, bw_context_node *node) {
    node->holder = holder;
    struct thread *self = thread_enter();
    os_lock_acquire(&holder->lock);
    bool lives = !atomic_load(&holder->cancelled);
    if (lives) {
        node->listed = true;
        node->next = holder->children;
        if (node->next)
            node->next->previous = node;
        holder->children = node;
    }
    os_lock_release(&holder->lock);
    thread_leave(self);
    return lives;
}

static void list_out(bw_context_node *node) {
    bw_context_node *holder = node->holder;
    if (holder == NULL)
        return;
    struct thread *self = thread_enter();
    os_lock_acquire(&holder->lock);
    if (node->listed) {
        *(node->previous ? &node->previous->next : &holder->children) = node->next;
        if (node->next)
            node->next->previous = node->previous;
        node->next = node->previous = NULL;
        node->listed = false;
    }
    os_lock_release(&holder->lock);
    thread_leave(self);
}

/* --- cancelling --- */

/* True: the caller has cancelled it, and has its children. */
static bool take(bw_context_node *node, bw_error err, bw_error cause) {
    os_lock_acquire(&node->lock);
    bool taken = !atomic_load(&node->cancelled);
    if (taken) {
        node->err = err;
        node->cause = cause;
        for (bw_context_node *child = node->children; child; child = child->next)
            child->listed = false;
        atomic_store(&node->cancelled, true);
    }
    os_lock_release(&node->lock);
    return taken;
}

static void call_now(struct call_after *after) {
    if (atomic_exchange(&after->decided, true))
        return;
    if (after->call.function == NULL)
        os_fatal("go of nil func value");
    struct thread *self = thread_enter();
    sched_go(self, &after->call, after->by);
    thread_leave(self);
}

/* Those above it are. */
static void finish(bw_context_node *node) {
    gate_open(node, &node->done);
    if (node->timer)
        bw_timer_stop(node->timer);
    if (node->call)
        call_now(node->call);
}

/* Those below it are, unless others have cancelled them. What it was linked with is let go. */
static void settle(bw_context_node *node) {
    for (bw_context_node *child = node->children, *next; child; child = next) {
        gate_wait(child, &child->settled);
        next = child->next;
        child->next = child->previous = NULL;
    }
    node->children = node->earlier = node->later = NULL;
    gate_open(node, &node->settled);
}

/* Cancels the node, which the caller has, and what is below it, parents first; the last of them. INSIDE. */
static bw_context_node *take_below(bw_context_node *top) {
    bw_context_node *last = top;
    for (bw_context_node *at = top; at; at = at->later)
        for (bw_context_node *child = at->children; child; child = child->next)
            if (take(child, top->err, top->cause)) {
                last->later = child;
                child->earlier = last;
                last = child;
            }
    return last;
}

/* When it returns the node and all below it are cancelled. `cause`: nil: the error. */
static void cancel(bw_context_node *top, bw_error err, bw_error cause) {
    struct thread *self = thread_enter();
    bool taken = take(top, err, bw_is_nil(cause) ? err : cause);
    bw_context_node *last = taken ? take_below(top) : NULL;
    thread_leave(self);
    if (!taken)
        gate_wait(top, &top->settled);
    for (bw_context_node *node = taken ? top : NULL; node; node = node->later)
        finish(node);
    for (bw_context_node *earlier; last; last = earlier) {
        earlier = last->earlier;
        settle(last);
    }
    list_out(top);
}

/* --- making --- */

static bw_any node_key_value(void) {
    static char node_key;
    return bw_any_of((void *)&node_key);
}

static bool is_node_key(bw_any key) {
    bw_any own = node_key_value();
    return key.type == own.type && key.bw__data.pointer == own.bw__data.pointer;
}

/* The node that a context stands for, if it says so; NULL. */
static bw_context_node *node_below(bw_context ctx) {
    bw_any answer = bw__context_value(ctx, node_key_value());
    return answer.type == node_key_value().type ? answer.bw__data.pointer : NULL;
}

static bool is_closed(bw_chan(bool) done) {
    bw_select {
        bw_on_recv_ok(done, none, ok) return !ok || !none || none;
        bw_default return false;
    }
    return false;
}

/* In a goroutine: for a context of the program's, which keeps no list. */
static void watch(bw_context parent, bw_context_node *node) {
    bw_select {
        bw_on_recv_ok(bw_context_done(parent), none, ok) cancel(node, bw_context_err(parent), bw_context_cause(parent));
        bw_on_recv_ok((bw_chan(bool))done_of(node), none, ok) {}
    }
}

static void cancel_with(bw_context_node *node, bw_context_node *holder) {
    gate_wait(holder, &holder->done);
    cancel(node, holder->err, holder->cause);
}

static void hang_below(bw_context_node *node, bw_context parent) {
    bw_context above = decisive(parent);
    bw_context_node *holder = NULL;
    bw_chan(bool) done = NULL;
    if (above.bw__table == NULL)
        return;
    if (IS(bw_context_node, above)) {
        holder = TO(bw_context_node, above);
    } else {
        if ((done = bw_context_done(above)) == NULL)
            return;
        if (is_closed(done)) {
            cancel(node, bw_context_err(above), bw_context_cause(above));
            return;
        }
        holder = node_below(above);
        if (holder && done_of(holder) != (void *)done)
            holder = NULL;
    }
    if (holder == NULL)
        bw_go(watch, above, node);
    else if (!list_in(holder, node))
        cancel_with(node, holder);
}

static bw_context_node *node_new(bw_context parent, struct call_after *call) {
    if (parent.bw__table == NULL)
        os_panic("cannot create context from nil parent");
    bw_context_node *node = bw_new(bw_context_node);
    node->parent = parent;
    node->call = call;
    return node;
}

static bw_context_node *cancellable(bw_context parent) {
    bw_context_node *node = node_new(parent, NULL);
    hang_below(node, parent);
    return node;
}

bw_context bw_background(void) {
    static bw_context_root root = {BW_STR_INIT("context.Background")};
    return bw_context_root_as(&root);
}
bw_context bw_todo(void) {
    static bw_context_root root = {BW_STR_INIT("context.TODO")};
    return bw_context_root_as(&root);
}

bw_context bw_with_cancel(bw_context parent, bw_cancel_func *function) {
    bw_context_node *node = cancellable(parent);
    if (function)
        *function = (bw_cancel_func){node};
    return bw_context_node_as(node);
}

bw_context bw_with_cancel_cause(bw_context parent, bw_cancel_cause_func *function) {
    bw_context_node *node = cancellable(parent);
    if (function)
        *function = (bw_cancel_cause_func){node};
    return bw_context_node_as(node);
}

static void expire(bw_context_node *node, bw_error cause) {
    cancel(node, bw_err_deadline_exceeded(), cause);
}

static void set_timer(bw_context_node *node, int64_t ns, bw_error cause) {
    bw_timer *timer = bw_after_func(ns, expire, node, cause);
    struct thread *self = thread_enter();
    os_lock_acquire(&node->lock);
    bool lives = !atomic_load(&node->cancelled);
    if (lives)
        node->timer = timer;
    os_lock_release(&node->lock);
    thread_leave(self);
    if (!lives)
        bw_timer_stop(timer);
}

bw_context bw_with_deadline_cause(bw_context parent, int64_t when, bw_error cause, bw_cancel_func *function) {
    int64_t other;
    bw_context_node *node = node_new(parent, NULL);
    bool is_sooner = !bw_context_deadline(parent, &other) || other >= when;
    if (is_sooner)
        node->deadline = when ? when : -1;
    hang_below(node, parent);
    int64_t now = bw_now();
    if (is_sooner && when <= now)
        expire(node, cause);
    else if (is_sooner && !atomic_load(&node->cancelled))
        set_timer(node, when - now, cause);
    if (function)
        *function = (bw_cancel_func){node};
    return bw_context_node_as(node);
}

bw_context bw_with_deadline(bw_context parent, int64_t when, bw_cancel_func *function) {
    return bw_with_deadline_cause(parent, when, bw_nil, function);
}

bw_context bw_with_timeout_cause(bw_context parent, int64_t ns, bw_error cause, bw_cancel_func *function) {
    int64_t when;
    if (__builtin_add_overflow(bw_now(), ns, &when))
        when = INT64_MAX;
    return bw_with_deadline_cause(parent, when, cause, function);
}

bw_context bw_with_timeout(bw_context parent, int64_t ns, bw_cancel_func *function) {
    return bw_with_timeout_cause(parent, ns, bw_nil, function);
}

bw_context bw_without_cancel(bw_context parent) {
    if (parent.bw__table == NULL)
        os_panic("cannot create context from nil parent");
    bw_context_without *without = bw_new(bw_context_without);
    without->parent = parent;
    return bw_context_without_as(without);
}

static void compare(bw_any key) {
    (void)bw__any_eq(key, key);
}

bw_context bw__with_value(bw_context parent, bw_any key, bw_any value) {
    if (parent.bw__table == NULL)
        os_panic("cannot create context from nil parent");
    if (key.type == NULL)
        os_panic("nil key");
    if (!bw_is_nil(bw_protect(compare, key)))
        os_panic("key is not comparable");
    bw_context_with *with = bw_new(bw_context_with);
    *with = (bw_context_with){parent, key, value};
    return bw_context_with_as(with);
}

bw_stop_func bw__context_after_func(bw_context ctx, const bw__call *call, size_t register_words) {
    struct call_after *after = bw_alloc(sizeof *after + call->stack_words * sizeof(uintptr_t));
    after->by = (uintptr_t)__builtin_return_address(0);
    call_keep(&after->call, call, register_words);
    bw_context_node *node = node_new(ctx, after);
    hang_below(node, ctx);
    return (bw_stop_func){node};
}

/* --- using --- */

void bw_cancel(bw_cancel_func function) {
    cancel(function.bw__node, bw_err_canceled(), bw_nil);
}
void bw_cancel_cause(bw_cancel_cause_func function, bw_error cause) {
    cancel(function.bw__node, bw_err_canceled(), cause);
}

bool bw_context_stop(bw_stop_func function) {
    bw_context_node *node = function.bw__node;
    bool stopped = !atomic_exchange(&node->call->decided, true);
    if (stopped)
        cancel(node, bw_err_canceled(), bw_nil);
    return stopped;
}

bw_chan(bool) bw_context_done(bw_context ctx) {
    bw_context above = decisive(ctx);
    if (above.bw__table == NULL)
        return NULL;
    return IS(bw_context_node, above) ? (bw_chan(bool))done_of(above.bw__data) : above.bw__table->done(above.bw__data);
}

bw_error bw_context_err(bw_context ctx) {
    bw_context above = decisive(ctx);
    if (above.bw__table == NULL)
        return bw_nil;
    if (!IS(bw_context_node, above))
        return above.bw__table->err(above.bw__data);
    bw_context_node *node = TO(bw_context_node, above);
    if (!atomic_load_explicit(&node->cancelled, memory_order_acquire))
        return bw_nil;
    gate_wait(node, &node->done);
    return node->err;
}

bw_error bw_context_cause(bw_context ctx) {
    bw_error err = bw_context_err(ctx);
    if (bw_is_nil(err))
        return err;
    /* A context of the program's may be cancelled without the node that it stands for. */
    bw_context_node *node = node_below(ctx);
    return node && atomic_load(&node->cancelled) ? node->cause : err;
}

bool bw_context_deadline(bw_context ctx, int64_t *when) {
    *when = 0;
    for (;; ctx = parent_of(ctx)) {
        if (IS(bw_context_root, ctx) || IS(bw_context_without, ctx))
            return false;
        if (IS(bw_context_node, ctx) && TO(bw_context_node, ctx)->deadline != 0) {
            *when = TO(bw_context_node, ctx)->deadline;
            return true;
        }
        if (!IS(bw_context_node, ctx) && !IS(bw_context_with, ctx))
            return ctx.bw__table->deadline(ctx.bw__data, when);
    }
}

bw_any bw__context_value(bw_context ctx, bw_any key) {
    bool asks_for_node = is_node_key(key);
    for (;; ctx = parent_of(ctx)) {
        if (IS(bw_context_root, ctx) || (asks_for_node && IS(bw_context_without, ctx)))
            return (bw_any){NULL, {NULL}};
        if (asks_for_node && IS(bw_context_node, ctx))
            return bw_any_of(ctx.bw__data);
        if (IS(bw_context_with, ctx) && bw__any_eq(TO(bw_context_with, ctx)->key, key))
            return TO(bw_context_with, ctx)->value;
        if (!IS(bw_context_node, ctx) && !IS(bw_context_with, ctx) && !IS(bw_context_without, ctx))
            return ctx.bw__table->value(ctx.bw__data, key);
    }
}

/* --- as text, as Go has it --- */

static bw_string text_of_value(bw_any value) {
    bw_stringer stringer;
    bw_string string;
    if (bw_assert_ok(bw_stringer, value, &stringer))
        return bw_call(stringer, string);
    if (bw_assert_ok(bw_string, value, &string))
        return string;
    return bw_string_of(bw_type_string(value));
}

/* What this one adds to its parent's text. */
static bw_string own_text(bw_context ctx) {
    if (IS(bw_context_root, ctx))
        return TO(bw_context_root, ctx)->name;
    if (IS(bw_context_without, ctx))
        return bw_str(".WithoutCancel");
    if (IS(bw_context_with, ctx))
        return bw_concat(".WithValue(", text_of_value(TO(bw_context_with, ctx)->key), ", ",
                         text_of_value(TO(bw_context_with, ctx)->value), ")");
    if (!IS(bw_context_node, ctx))
        return text_of_value(bw_any_of(ctx));
    int64_t deadline = TO(bw_context_node, ctx)->deadline;
    if (deadline == 0)
        return bw_str(".WithCancel");
    return bw_concat(".WithDeadline(", bw_format_duration(deadline), " [", bw_format_duration(deadline - bw_now()),
                     "])");
}

static bool has_parent(bw_context ctx) {
    return IS(bw_context_node, ctx) || IS(bw_context_with, ctx) || IS(bw_context_without, ctx);
}

static bw_string text_of(bw_context ctx) {
    bw_builder text = {0};
    size_t count = 1;
    for (bw_context at = ctx; has_parent(at); at = parent_of(at))
        count++;
    bw_context *path = bw_alloc(count * sizeof *path);
    for (size_t i = count; i-- > 0; ctx = i ? parent_of(ctx) : ctx)
        path[i] = ctx;
    for (size_t i = 0; i < count; i++)
        bw_builder_write_string(&text, own_text(path[i]));
    return bw_builder_string(&text);
}
