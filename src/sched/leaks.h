/* leaks.h - finding leaked goroutines, for sched.c, which hands these functions to the collector. */
#ifndef BURROW_SCHED_LEAKS_H
#define BURROW_SCHED_LEAKS_H

#include "sched.h"

void leaks_begin(void);
bool leaks_put_aside(struct goroutine *goroutine); /* false: its stack is a root */
/* As gc_scheduler_hooks has them. */
void leaks_alive(gc_visit *visit, void *context);
void leaks_watch(gc_visit *visit, void *context);
void leaks_reached(uintptr_t object, gc_visit *visit, void *context);
void leaks_end(gc_visit *visit, void *context);
void leaks_told(struct thread *self);

#endif
