/* lookup.c - names to addresses, by threads made for it.
 *
 * getaddrinfo waits for the network, and takes more stack than a goroutine has. So it is called by HELPERS: threads of the
 * library, made while there are more requests than helpers free for them, up to MOST_HELPERS; further requests queue. A
 * helper that had nothing to do for a while ends.
 *
 * Whoever made a request may give it up at its deadline, while a helper is at it. So it is an object of the heap: the
 * queue, the list of those in helpers' hands and the timers are roots. What getaddrinfo found is the goroutine's to free if
 * it was told of it, else the helper's; never INSIDE, since a stopped thread may hold malloc's lock.
 *
 * In the child of a fork there are no helpers: what they had in hand is queued again.
 *
 * Lock order: lock > timers.
 */
#include "lookup.h"

#include <string.h>

#define MOST_HELPERS 64
#define IDLE_NS 10000000000

struct request {
    const char *name, *service;
    int family, type;
    struct lookup found;
    bool done, given_up;
    struct goroutine *waits; /* NULL: not yet, or not any more */
    struct timer timer;
    struct request *next;
    char texts[];
};

/* All under the lock. */
static os_lock lock;
static struct request *queue, **queue_last = &queue, *in_hand;
static int helpers, free_helpers, queued;
static _Atomic uint32_t news; /* what free helpers wait for */

static void queue_put(struct request *request) {
    request->next = NULL;
    *queue_last = request;
    queue_last = &request->next;
    queued++;
    atomic_fetch_add(&news, 1);
}

static struct request *queue_take(void) {
    struct request *request = queue;
    if (request) {
        queue = request->next;
        if (queue == NULL)
            queue_last = &queue;
        queued--;
    }
    return request;
}

static bool list_remove(struct request **list, struct request *request) {
    for (; *list; list = &(*list)->next)
        if (*list == request) {
            *list = request->next;
            return true;
        }
    return false;
}

/* --- helpers --- */

/* The next to be looked up; NULL: the helper ends. The lock is held. */
static struct request *next_request(struct thread *self) {
    for (bool idle = false;;) {
        struct request *request = queue_take();
        if (request && request->given_up)
            continue;
        if (request || idle)
            return request;
        uint32_t seen = atomic_load(&news);
        free_helpers++;
        os_lock_release(&lock);
        thread_safe_begin(self);
        os_wait(&news, seen, IDLE_NS);
        thread_safe_end(self);
        os_lock_acquire(&lock);
        free_helpers--;
        idle = atomic_load(&news) == seen;
    }
}

static void look_up(struct thread *self, struct request *request) {
    struct lookup found = {0};
    thread_safe_begin(self);
    found.error =
        os_lookup(request->name, request->service, request->family, request->type, &found.list, &found.system_error);
    thread_safe_end(self);
    os_lock_acquire(&lock);
    list_remove(&in_hand, request);
    struct goroutine *waits = request->waits;
    request->waits = NULL;
    bool wanted = !request->given_up;
    if (wanted) {
        request->found = found;
        request->done = true;
    }
    os_lock_release(&lock);
    if (waits)
        sched_ready(self, waits);
    if (!wanted && found.error == 0) {
        thread_safe_begin(self);
        os_addresses_free(found.list);
        thread_safe_end(self);
    }
}

static void helper(void *argument) {
    (void)argument;
    struct thread *self = thread_current;
    for (;;) {
        os_lock_acquire(&lock);
        struct request *request = next_request(self);
        if (request) {
            request->next = in_hand;
            in_hand = request;
        } else {
            helpers--;
        }
        os_lock_release(&lock);
        if (request == NULL)
            break;
        look_up(self, request);
    }
    thread_leave(self);
}

static void forked(struct thread *self) {
    queue_last = &queue;
    while (*queue_last)
        queue_last = &(*queue_last)->next;
    for (struct request *next; in_hand; in_hand = next) {
        next = in_hand->next;
        queue_put(in_hand);
    }
    helpers = free_helpers = 0;
    if (queue) {
        helpers = 1;
        if (!thread_start_internal(self, thread_attach_internal, helper, NULL, "burrow-lookup"))
            os_fatal("runtime: cannot make a thread to look up names");
    }
}

/* --- those who wait --- */

static void fire(struct thread *self, struct timer *timer, int64_t now) {
    struct request *request = (void *)((char *)timer - offsetof(struct request, timer));
    (void)now;
    os_lock_acquire(&lock);
    struct goroutine *waits = request->waits;
    request->waits = NULL;
    request->given_up = !request->done;
    os_lock_release(&lock);
    if (waits)
        sched_ready(self, waits);
}

static void unlock(void *argument) {
    os_lock_release(argument);
}

static struct request *make_request(const char *name, const char *service, int family, int type) {
    size_t name_bytes = name ? strlen(name) + 1 : 0, service_bytes = service ? strlen(service) + 1 : 0;
    struct request *request = bw_alloc(sizeof *request + name_bytes + service_bytes);
    request->family = family;
    request->type = type;
    if (name)
        request->name = memcpy(request->texts, name, name_bytes);
    if (service)
        request->service = memcpy(request->texts + name_bytes, service, service_bytes);
    return request;
}

/* Gives it to a helper. 0, or -errno: there is none, nor can be. */
static int hand_over(struct thread *self, struct request *request) {
    os_lock_acquire(&lock);
    queue_put(request);
    bool more = queued > free_helpers && helpers < MOST_HELPERS;
    helpers += more;
    os_lock_release(&lock);
    os_wake(&news, 1);
    if (!more || thread_start_internal(self, thread_attach_internal, helper, NULL, "burrow-lookup"))
        return 0;
    int error = 0;
    os_lock_acquire(&lock);
    if (--helpers == 0 && list_remove(&queue, request)) { /* else one of them comes to it */
        queued--;
        for (queue_last = &queue; *queue_last; queue_last = &(*queue_last)->next) {}
        error = -EAGAIN;
    }
    os_lock_release(&lock);
    return error;
}

struct lookup lookup_wait(const char *name, const char *service, int family, int type, int64_t deadline) {
    struct request *request = make_request(name, service, family, type);
    struct thread *self = thread_enter();
    atomic_store(&poll_outside_forked, forked);
    poll_outside(1);
    int error = hand_over(self, request);
    if (error == 0) {
        if (deadline != 0) {
            request->timer.when = deadline;
            request->timer.fire = fire;
            timer_start(self, &request->timer);
        }
        os_lock_acquire(&lock);
        if (!request->done && !request->given_up) {
            request->waits = sched_current(self);
            self = sched_park(self, "IO wait", unlock, &lock);
        } else {
            os_lock_release(&lock);
        }
        if (deadline != 0)
            timer_stop(&request->timer);
    }
    poll_outside(-1);
    thread_leave(self);
    if (error != 0)
        return (struct lookup){.error = EAI_SYSTEM, .system_error = -error};
    return request->done ? request->found : (struct lookup){.timed_out = true};
}
