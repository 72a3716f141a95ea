/* store.h - what is kept: values by key, some of them for a limited time.
 *
 * The keys are divided by their hash among a number of shards, each a Burrow map with a lock of its own, so that
 * goroutines on several processors seldom wait for each other. Nobody waits for anything else while holding a lock.
 *
 * Values are strings, which never change: what one goroutine has got it may go on reading while another sets the key to
 * something else. Whoever is last leaves the old string to the collector; nobody counts.
 *
 * Keys given to these functions may be parts of a buffer that is used again; those that are kept are copied. Values that
 * are given are kept as they are.
 *
 * An entry whose time has come is gone for everybody at once, and is taken out when somebody asks for it or when
 * store_sweep comes by. Times are milliseconds of a clock that never goes back.
 */
#ifndef CACHE_STORE_H
#define CACHE_STORE_H

#include <burrow.h>

typedef struct store store;

#define NEVER INT64_MAX /* when an entry expires that does not */

store *store_new(void);
int64_t store_now(void);

/* A value, or none. */
BW_STRUCT(finding, (bw_string, value), (bool, is_there));
BW_SLICE(finding);

finding store_get(store *s, bw_string key);

typedef struct set_options {
    bool only_if_new, only_if_there;
    bool keeps_expiry; /* that of the entry before */
    int64_t expires;
} set_options;

/* Sets a value; what was there before is in *before, if that is not NULL. False: the options did not allow it. */
bool store_set(store *s, bw_string key, bw_string value, set_options options, finding *before);

enum increment { INCREMENTED, NOT_A_NUMBER, WOULD_OVERFLOW };
enum increment store_increment(store *s, bw_string key, int64_t by, int64_t *result);

/* False: there is no such key. *expires may be NEVER. */
bool store_expiry(store *s, bw_string key, int64_t *expires);
/* Sets it; NEVER lifts it. A time that has come removes the entry. False: no such key; or, for NEVER, it had none. */
bool store_expire(store *s, bw_string key, int64_t expires);

/* The same for several keys, all at one moment. */
ptrdiff_t store_count(store *s,
                      bw_slice(bw_string) keys); /* those that are there; one that is named twice counts twice */
ptrdiff_t store_remove(store *s, bw_slice(bw_string) keys); /* how many were there */
bw_slice(finding) store_get_all(store *s, bw_slice(bw_string) keys);
void store_set_all(store *s, bw_slice(bw_string) keys, bw_slice(bw_string) values);
void store_clear(store *s);

/* Some of the keys, about `count`, from a cursor on, which is 0 in the first call; and the cursor to go on from, which
 * is 0 again when all have been seen. A key that is there from the first call to the last is seen, perhaps twice. */
bw_slice(bw_string) store_scan(store *s, uint64_t *cursor, ptrdiff_t count);

/* Takes out some of what has expired. To be called again and again. */
void store_sweep(store *s);

typedef struct store_statistics {
    ptrdiff_t keys, expiring; /* now */
    uint64_t hits, misses, expired;
} store_statistics;
store_statistics store_look(store *s);

#endif
