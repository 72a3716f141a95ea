/* ledger.h - what the programs of this directory print about the ledger: how it has changed since the last look.
 *
 * The ledger counts every object and byte that the program was handed (alloc = new + make), that was taken back
 * (reclaim = nil + zero), and that it has now (layout), by kind; and how many of those are locks and the like (sync),
 * and errors.
 */
#ifndef ARTICLE_LEDGER_H
#define ARTICLE_LEDGER_H

#include <burrow.h>
#include <inttypes.h>
#include <stdio.h>

static bw_ledger_t ledger_last;

static inline bool ledger_changed(const char *name, bw_amount before, bw_amount after) {
    int64_t objects = (int64_t)(after.objects - before.objects), bytes = (int64_t)(after.bytes - before.bytes);
    if (objects == 0 && bytes == 0)
        return false;
    printf("  %s %+" PRId64 " (%+" PRId64 " bytes)", name, objects, bytes);
    return true;
}

/* Prints what has just been done and what it changed. The first look is compared with an empty ledger. */
static inline void ledger_after(const char *done) {
    bw_ledger_t now;
    bw_ledger(&now);
    const bw_ledger_t *last = &ledger_last;
    printf("%-36s", done);
    bool changed = ledger_changed("new", last->new_, now.new_);
    changed |= ledger_changed("make", last->make, now.make);
    changed |= ledger_changed("nil", last->nil, now.nil);
    changed |= ledger_changed("zero", last->zero, now.zero);
    changed |= ledger_changed("struct", last->struct_, now.struct_);
    changed |= ledger_changed("slice", last->slice, now.slice);
    changed |= ledger_changed("map", last->map, now.map);
    changed |= ledger_changed("channel", last->channel, now.channel);
    changed |= ledger_changed("interface", last->interface_, now.interface_);
    changed |= ledger_changed("sync", last->sync, now.sync);
    changed |= ledger_changed("error", last->error, now.error);
    puts(changed ? "" : "  no change");
    ledger_last = now;
}

/* Prints the identities with this moment's numbers of objects. */
static inline void ledger_balance(void) {
    bw_ledger_t l;
    bw_ledger(&l);
    printf("alloc %" PRIu64 " = new %" PRIu64 " + make %" PRIu64 "; ", l.alloc.objects, l.new_.objects, l.make.objects);
    printf("reclaim %" PRIu64 " = nil %" PRIu64 " + zero %" PRIu64 "; ", l.reclaim.objects, l.nil.objects,
           l.zero.objects);
    printf("alloc - reclaim = layout %" PRIu64 "\n", l.layout.objects);
}

#endif
