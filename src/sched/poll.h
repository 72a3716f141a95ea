/* poll.h - what poll.c, which knows who waits for a descriptor, and poller.c, which hears what is ready, have for each
 * other.
 *
 * A record's `watched` is poller.c's to set: epoll has the descriptor, with the record's sequence number. poll.c clears
 * it whenever that number changes. */
#ifndef BURROW_SCHED_POLL_H
#define BURROW_SCHED_POLL_H

#include "sched.h"

/* Those whose wait is over, to be made ready when no lock is held any more. */
struct poll_ready {
    struct goroutine *first, **last;
};

/* --- poll.c --- */
/* An event of the descriptor that had this sequence number when it was added. Who is to be made ready is added. No lock
 * held. */
void poll_event(int fd, uint32_t sequence, uint32_t what, struct poll_ready *ready);
/* In the child, where epoll has nothing: what is waited for is added anew. INSIDE, no lock held. */
void poll_records_forked(struct thread *self);

void poll_make_ready(struct thread *self, struct goroutine *list);
/* Asks which file it is, if any wait since before it was examined last without that having been asked. True: some came
 * later. Under the record's lock. */
bool poll_examine(struct poll_record *record, struct poll_ready *ready);

/* --- doubts.c --- */
/* It is to be examined in a while, if it is not yet. Under the record's lock. False: there is no memory for that. `added`:
 * poll_doubt_added must be called. */
bool poll_doubt(struct thread *self, struct poll_record *record, int fd, bool *added);
void poll_doubt_added(struct thread *self); /* no lock held */

/* --- poller.c --- */
/* From here on events of the descriptor are told: 0, or -errno. Under the record's lock. */
int poller_watch(struct poll_record *record, int fd);
/* It is about to be closed: another process may have the file open, too, and epoll would keep it. */
void poller_unwatch(int fd);
extern _Atomic bool poller_told; /* sched_poll_made was called */
/* A goroutine is about to park until there is an event: somebody must wait for those. INSIDE, no lock held. */
static inline void poller_tell(struct thread *self) {
    if (!atomic_load_explicit(&poller_told, memory_order_relaxed) && !atomic_exchange(&poller_told, true))
        sched_poll_made(self);
}

#endif
