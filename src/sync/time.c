/* time.c - timers and tickers: those that send to a channel, and those that call a function.
 *
 * An ALARM belongs to a channel with room for one value. When it is due next is in it, under the channel's lock; so is
 * all else. Who receives looks first whether it is due, and if so puts the value into the ring (`look`). So nothing has
 * to happen at that time unless somebody waits: only from begin_wait of the first to end_wait of the last is there a
 * timer in a heap. It says no more than "look at this channel now", so that it may come late, twice, or for a time that
 * is not the alarm's any more.
 *
 * It follows that an alarm that nobody waits for is referred to by nothing but the program, and is collected; and that
 * once stopping has the lock, no value of before can come.
 *
 * A timer with a function is in a heap until it fires or is stopped, and makes a goroutine of the call then.
 *
 * Lock order: channel > timers; record of a function's timer > timers. Whoever puts a timer in front of its heap under a
 * lock tells the scheduler after it (`to_tell`).
 */
#include "../lang/chan.h"

#include <burrow/memory.h>
#include <burrow/time.h>

struct alarm {
    struct chan_timer of_channel;
    struct timer timer;
    struct chan *chan;
    int64_t when, period; /* when: 0: not set. period: 0: once */
    size_t waiting;
};

static struct alarm *alarm_of(struct chan_timer *of_channel) {
    return (struct alarm *)((char *)of_channel - offsetof(struct alarm, of_channel));
}

/* --- under the channel's lock --- */

/* The time it was due at, if it is; it is set for the next. 0: it is not. */
static int64_t take_due(struct alarm *alarm, int64_t now) {
    int64_t due = alarm->when;
    if (due == 0 || due > now || alarm->chan->closed)
        return 0;
    alarm->when = 0;
    if (alarm->period) {
        int64_t periods = (now - due) / alarm->period + 1;
        if (__builtin_mul_overflow(periods, alarm->period, &alarm->when) ||
            __builtin_add_overflow(alarm->when, due, &alarm->when))
            alarm->when = INT64_MAX;
    }
    return due;
}

static void look(struct chan *chan) {
    struct alarm *alarm = alarm_of(chan->timer);
    if (alarm->when == 0)
        return;
    int64_t due = take_due(alarm, (int64_t)os_now_ns());
    if (due && chan->count < chan->capacity) {
        copy(chan, ring_next(chan, &chan->send_at), &due);
        CHAN_SET(chan->count, chan->count + 1);
    }
}

static void wind(struct thread *self, struct alarm *alarm) {
    if (alarm->waiting == 0 || alarm->when == 0 || atomic_load(&alarm->timer.in) != NULL)
        return;
    alarm->timer.when = alarm->when;
    if (timer_insert(self, &alarm->timer))
        alarm->of_channel.to_tell = alarm->when;
}

static void begin_wait(struct thread *self, struct chan *chan) {
    struct alarm *alarm = alarm_of(chan->timer);
    alarm->waiting++;
    wind(self, alarm);
}

static void end_wait(struct chan *chan) {
    struct alarm *alarm = alarm_of(chan->timer);
    if (--alarm->waiting == 0)
        timer_stop(&alarm->timer);
}

/* --- */

static void fire(struct thread *self, struct timer *timer, int64_t now) {
    struct alarm *alarm = (struct alarm *)((char *)timer - offsetof(struct alarm, timer));
    struct chan *chan = alarm->chan;
    struct waiter *receiver = NULL;
    os_lock_acquire(&chan->lock);
    int64_t due = take_due(alarm, now);
    if (due) {
        if ((receiver = list_take(&chan->receivers)) != NULL) {
            copy(chan, receiver->value, &due);
        } else if (chan->count < chan->capacity) {
            copy(chan, ring_next(chan, &chan->send_at), &due);
            CHAN_SET(chan->count, chan->count + 1);
        }
    }
    wind(self, alarm);
    int64_t to_tell = chan_take_to_tell(chan);
    os_lock_release(&chan->lock);
    if (receiver) {
        receiver->done = true;
        sched_ready(self, receiver->goroutine);
    }
    if (to_tell)
        sched_timer_added(self, to_tell);
}

/* Sets it, or stops it: when == 0. Was it set, or its value there? */
static bool set(struct alarm *alarm, int64_t when, int64_t period) {
    struct chan *chan = alarm->chan;
    struct thread *self = thread_enter_quickly();
    os_lock_acquire(&chan->lock);
    bool pending = alarm->when != 0;
    timer_stop(&alarm->timer);
    while (chan->count > 0) {
        clear(chan, ring_next(chan, &chan->receive_at));
        CHAN_SET(chan->count, chan->count - 1);
        pending = true;
    }
    alarm->when = when;
    alarm->period = period;
    wind(self, alarm);
    int64_t to_tell = chan_take_to_tell(chan);
    os_lock_release(&chan->lock);
    if (to_tell)
        sched_timer_added(self, to_tell);
    thread_leave_quickly(self);
    return pending;
}

static struct alarm *alarm_new(int64_t ns, int64_t period) {
    struct alarm *alarm = bw_new(struct alarm);
    bw_chan(int64_t) c = bw_make_chan(int64_t, 1);
    *alarm = (struct alarm){.of_channel = {look, begin_wait, end_wait, 0},
                            .timer = {.fire = fire},
                            .chan = (struct chan *)c,
                            .when = timer_in(ns),
                            .period = period};
    alarm->chan->timer = &alarm->of_channel;
    return alarm;
}

static bw_chan(int64_t) channel_of(struct alarm *alarm) {
    return (bw_chan(int64_t))alarm->chan;
}

bw_chan(int64_t) bw_after(int64_t ns) {
    return channel_of(alarm_new(ns, 0));
}

bw_timer *bw_new_timer(int64_t ns) {
    struct alarm *alarm = alarm_new(ns, 0);
    bw_timer *timer = bw_new(bw_timer);
    *timer = (bw_timer){channel_of(alarm), alarm};
    return timer;
}

bw_ticker *bw_new_ticker(int64_t ns) {
    if (ns <= 0)
        os_panic("non-positive interval for NewTicker");
    struct alarm *alarm = alarm_new(ns, ns);
    bw_ticker *ticker = bw_new(bw_ticker);
    *ticker = (bw_ticker){channel_of(alarm), alarm};
    return ticker;
}

bw_chan(int64_t) bw_tick(int64_t ns) {
    return ns > 0 ? channel_of(alarm_new(ns, ns)) : NULL;
}

void bw_ticker_stop(bw_ticker *ticker) {
    if (ticker->bw__alarm)
        set(ticker->bw__alarm, 0, 0);
}

void bw_ticker_reset(bw_ticker *ticker, int64_t ns) {
    if (ns <= 0)
        os_panic("non-positive interval for Ticker.Reset");
    if (ticker->bw__alarm == NULL)
        os_panic("time: Reset called on uninitialized Ticker");
    set(ticker->bw__alarm, timer_in(ns), ns);
}

/* --- timers with a function --- */

struct call_later {
    struct timer timer; /* first */
    os_lock lock;       /* one caller at a time starts it */
    uintptr_t by;
    bw__call call; /* the words of its stack follow */
};

static void fire_call(struct thread *self, struct timer *timer, int64_t now) {
    const struct call_later *later = (const struct call_later *)timer;
    (void)now;
    if (later->call.function == NULL)
        os_fatal("go of nil func value");
    sched_go(self, &later->call, later->by);
}

/* when == 0: only stops it. One that is found pending needs no lock: only if it is not must it be known that no other
 * caller has stopped it just now, and is about to start it again. */
static bool set_call(struct call_later *later, int64_t when) {
    struct thread *self = thread_enter_quickly();
    if (when ? timer_move(self, &later->timer, when) : timer_stop(&later->timer)) {
        thread_leave_quickly(self);
        return true;
    }
    os_lock_acquire(&later->lock);
    bool pending = timer_stop(&later->timer);
    bool tell = false;
    if (when) {
        later->timer.when = when;
        tell = timer_insert(self, &later->timer);
    }
    os_lock_release(&later->lock);
    if (tell)
        sched_timer_added(self, when);
    thread_leave_quickly(self);
    return pending;
}

bw_timer *bw__after_func(int64_t ns, const bw__call *call, size_t register_words) {
    struct call_later *later = bw_alloc(sizeof *later + call->stack_words * sizeof(uintptr_t));
    later->timer.fire = fire_call;
    later->by = (uintptr_t)__builtin_return_address(0);
    call_keep(&later->call, call, register_words);
    bw_timer *timer = bw_new(bw_timer);
    timer->bw__alarm = later;
    set_call(later, timer_in(ns));
    return timer;
}

/* --- either --- */

static bool set_timer(bw_timer *timer, int64_t when) {
    return timer->c ? set(timer->bw__alarm, when, 0) : set_call(timer->bw__alarm, when);
}

bool bw_timer_stop(bw_timer *timer) {
    if (timer->bw__alarm == NULL)
        os_panic("time: Stop called on uninitialized Timer");
    return set_timer(timer, 0);
}

bool bw_timer_reset(bw_timer *timer, int64_t ns) {
    if (timer->bw__alarm == NULL)
        os_panic("time: Reset called on uninitialized Timer");
    return set_timer(timer, timer_in(ns));
}
