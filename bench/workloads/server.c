/* server.c - a steady load as a server has it: much old data that is nearly only read, and short-lived objects at a
 * fixed rate. `server MEGABYTES SECONDS MEGABYTES_A_SECOND`. As peers/server.go.
 *
 *     old data: buckets -> record -> record (the next of its bucket)
 *                          |-> body, 16 to 256 bytes
 *                          |-> field -> field -> ..., one to seven, the first of another record
 *                          `-> another record
 *
 * A request looks up LOOKUPS records at random and makes a list of results, each with a copy of the body and of the
 * fields, an index of them, and an answer. The next request's response takes its place: then all of it is dead. Each
 * request is due when the bytes before it are to have been made, at the rate that was asked for, however long others
 * took; its latency counts from then. The sequence of requests is the same in every run. */
#include "latency.h"
#include "peer.h"

enum { LOOKUPS = 24, INDEX = 512, ANSWER = 16384, REPLACE_EVERY = 1000 };
enum { RECORD_BYTES = 304 }; /* of a record with body and fields and its share of the buckets, on average */

PEER_STRUCT(field, (struct field *, next), (struct record *, of), (uint64_t, name), (uint64_t, value));
PEER_STRUCT(record, (struct record *, next), (struct record *, other), (field *, fields), (uint8_t *, body),
            (size_t, length), (size_t, room), (uint64_t, key), (uint64_t, sum));
PEER_STRUCT(result, (struct result *, next), (record *, found), (field *, details), (uint8_t *, text), (size_t, length),
            (size_t, room), (uint64_t, score), (uint64_t, rank));
PEER_STRUCT(response, (result *, results), (result **, index), (uint8_t *, answer), (size_t, length));

static const size_t body_sizes[8] = {16, 32, 48, 64, 96, 128, 192, 256};

static record **buckets;
static unsigned bucket_bits;
static uint64_t records, live;      /* how many, and their bytes */
static uint64_t state = PEER_SEED;  /* of the random sequence */
static uint64_t bytes;              /* short-lived so far */
static response *volatile answered; /* the last one */

static record **bucket_of(uint64_t key) {
    return &buckets[(key * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - bucket_bits)];
}

static record *find(uint64_t key) {
    record *r = *bucket_of(key);
    while (r->key != key)
        r = r->next;
    return r;
}

static void add_fields(record *r, uint64_t count, record *other) {
    for (uint64_t i = 0; i < count; i++) {
        field *f = PEER_NEW(field);
        f->next = r->fields;
        f->of = i == 0 ? other : r;
        f->name = i;
        f->value = peer_random(&state) & 0xFFFF;
        r->fields = f;
    }
    live += count * sizeof(field);
}

/* `among`: how many records there are that it may refer to. */
static record *make_record(uint64_t key, uint64_t among) {
    uint64_t random = peer_random(&state);
    record *r = PEER_NEW(record);
    r->key = key;
    r->length = r->room = body_sizes[random % 8];
    r->body = peer_bytes(r->length);
    memset(r->body, (int)(random >> 8 & 0xFF), r->length);
    r->other = among > 0 ? find(peer_random(&state) % among) : r;
    add_fields(r, 1 + (random >> 16) % 7, among > 0 ? find(peer_random(&state) % among) : r);
    live += sizeof *r + r->length;
    return r;
}

static void build(size_t megabytes) {
    records = ((uint64_t)megabytes << 20) / RECORD_BYTES;
    for (bucket_bits = 1; ((uint64_t)1 << bucket_bits) < records; bucket_bits++) {}
    buckets = PEER_ARRAY(record *, (size_t)1 << bucket_bits);
    live = (uint64_t)sizeof(record *) << bucket_bits;
    for (uint64_t key = 0; key < records; key++) {
        record *r = make_record(key, key);
        record **bucket = bucket_of(key);
        r->next = *bucket;
        *bucket = r;
    }
}

/* Another record in the place of an old one, to which others may go on referring. */
static void replace(void) {
    uint64_t key = peer_random(&state) % records;
    record **place = bucket_of(key), *fresh = make_record(key, records);
    while ((*place)->key != key)
        place = &(*place)->next;
    fresh->next = (*place)->next;
    *place = fresh;
}

static result *look_up(uint64_t key) {
    record *found = find(key);
    result *r = PEER_NEW(result);
    r->found = found;
    r->length = r->room = found->length;
    r->text = peer_bytes(found->length);
    memcpy(r->text, found->body, found->length);
    r->score = found->other->key;
    for (const field *f = found->fields; f != NULL; f = f->next) {
        field *copy = PEER_NEW(field);
        copy->next = r->details;
        copy->of = f->of;
        copy->name = f->name;
        copy->value = f->value;
        r->details = copy;
        r->score += f->value + f->of->key;
        bytes += sizeof *copy;
    }
    bytes += sizeof *r + r->length;
    return r;
}

static void write_answer(response *r) {
    r->answer = peer_bytes(ANSWER);
    for (const result *one = r->results; one != NULL && r->length + one->length <= ANSWER; one = one->next) {
        memcpy(r->answer + r->length, one->text, one->length);
        r->length += one->length;
    }
}

static uint64_t check_of(const response *r) {
    uint64_t sum = r->length;
    for (size_t i = 0; i < r->length; i += 16)
        sum += r->answer[i];
    for (size_t i = 0; i < INDEX; i++)
        if (r->index[i] != NULL)
            sum += r->index[i]->score + r->index[i]->rank + r->index[i]->details->value;
    return sum;
}

static __attribute__((noinline)) uint64_t serve(void) {
    response *r = PEER_NEW(response);
    r->index = PEER_ARRAY(result *, INDEX);
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        result *one = look_up(peer_random(&state) % records);
        one->rank = i;
        one->next = r->results;
        r->results = one;
        r->index[one->score % INDEX] = one;
    }
    write_answer(r);
    bytes += sizeof *r + INDEX * sizeof *r->index + ANSWER;
    answered = r;
    return check_of(r);
}

static void wait_until(int64_t time) {
    for (int64_t left; (left = time - latency_now()) > 0;)
        nanosleep(&(struct timespec){left / 1000000000, left % 1000000000}, NULL);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("usage: server MEGABYTES SECONDS MEGABYTES_A_SECOND\n", stderr);
        return 2;
    }
    long megabytes = peer_number(argv[1], 1, 1000000), seconds = peer_number(argv[2], 1, 100000);
    uint64_t rate = (uint64_t)peer_number(argv[3], 1, 100000); /* 10^6 bytes a second */
    peer_start();
    build((size_t)megabytes);
    peer_collect();
    static latency took;
    uint64_t sum = 0;
    int64_t began = latency_now(), due, now = began;
    peer_counts counts = peer_figures();
    while ((due = (int64_t)(bytes * 1000 / rate)) < (int64_t)seconds * 1000000000) {
        wait_until(began + due);
        sum += serve();
        if ((took.count + 1) % REPLACE_EVERY == 0)
            replace();
        now = latency_now();
        latency_add(&took, now - (began + due));
    }
    printf("CHECK server %ldMB %luMB/s records=%llu live=%llu requests=%llu sum=%llu\n", megabytes, (unsigned long)rate,
           (unsigned long long)records, (unsigned long long)live, (unsigned long long)took.count,
           (unsigned long long)sum);
    printf("R server_%ldMB requests=%llu wall_ms=%.0f p50_us=%.1f p99_us=%.1f p99.9_us=%.1f p99.99_us=%.1f max_us=%.1f",
           megabytes, (unsigned long long)took.count, (double)(now - began) / 1e6, latency_quantile(&took, 0.5) / 1e3,
           latency_quantile(&took, 0.99) / 1e3, latency_quantile(&took, 0.999) / 1e3,
           latency_quantile(&took, 0.9999) / 1e3, (double)took.longest / 1e3);
    peer_print_collector(&counts);
    putchar('\n');
    latency_print(&took);
    return 0;
}
