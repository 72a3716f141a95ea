/* compaction.c - a program whose memory is in pieces, before and after mark-compact.
 *
 *     compaction [MIB [PERCENT [DIRECTORY]]]      256 MiB, of which 90 % are dropped, if nothing else is said
 *
 * It makes documents, with a title and words of many sizes, until they have that much memory; then it drops most of them
 * at random. What is left lies everywhere: hardly a page is free, and giving free memory back to the system gives little.
 * bw_compact moves what is left together. Pictures of the heap, before.svg and after.svg, go to the directory.
 *
 * For that the structs say BW_MOVABLE. The program keeps pointers to documents in documents and slices, and notices
 * nothing: each of them is changed with what it points to, and what a variable on the stack points to stays where it is.
 */
#include <burrow.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct document *document_ref;
BW_STRUCT(document, BW_MOVABLE, (bw_string, title), (bw_slice(int), words), (document_ref, before), (long, number));
BW_SLICE(document_ref);

static uint64_t seed = 88172645463325252;
static uint64_t chance(uint64_t limit) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % limit;
}

static document *make_document(long number) {
    document *d = bw_new(document);
    d->title = bw_sprintf("document %d of many, %*s", number, (int)chance(60), "");
    d->words = bw_make_slice(int, (ptrdiff_t)(4 << chance(8)));
    bw_range(i, word, d->words) {
        bw_at(d->words, i) = (int)(number + i);
        (void)word;
    }
    d->number = number;
    return d;
}

/* Makes so many bytes of documents and keeps all but a part of them, each of which refers to the one before it. */
static __attribute__((noinline)) bw_slice(document_ref) make_documents(uint64_t bytes, uint64_t percent) {
    bw_slice(document_ref) all = {0};
    bw_ledger_t ledger = {0};
    while (ledger.layout.bytes < bytes) {
        for (int i = 0; i < 1000; i++)
            all = bw_append(all, make_document((long)bw_len(all)));
        bw_ledger(&ledger);
    }
    bw_slice(document_ref) kept = {0};
    bw_range(i, d, all) {
        if (chance(100) >= percent) {
            d->before = bw_len(kept) > 0 ? bw_at(kept, bw_len(kept) - 1) : NULL;
            kept = bw_append(kept, d);
        }
    }
    bw_printf("made       %d documents, and dropped %d of them\n", bw_len(all), bw_len(all) - bw_len(kept));
    return kept;
}

/* A number that every byte of every document has a part in, and every pointer. */
static uint64_t sum_of(bw_slice(document_ref) documents) {
    uint64_t sum = 0;
    bw_range(i, d, documents) {
        sum = sum * 31 + (uint64_t)d->number + (d->before ? (uint64_t)d->before->number : 0);
        for (ptrdiff_t k = 0; k < bw_len(d->title); k++)
            sum = sum * 31 + (uint64_t)bw_at(d->title, k);
        bw_range(k, word, d->words) {
            sum = sum * 31 + (uint64_t)word;
        }
        (void)i;
    }
    return sum;
}

static uint64_t resident_bytes(void) {
    unsigned long long total, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static double mib(uint64_t bytes) {
    return (double)bytes / (1 << 20);
}

static bool show(const char *when, const char *directory) {
    bw_ledger_t ledger;
    bw_ledger(&ledger);
    uint64_t resident = resident_bytes(), live = ledger.layout.bytes;
    bw_string path = bw_sprintf("%s/%s.svg", directory, when);
    bw_error err = bw_heap_map(bw_cstr(path));
    if (!bw_is_nil(err)) {
        bw_fprintln(stderr, err);
        return false;
    }
    bw_printf("%-10s %.1f MiB of objects, %.1f MiB resident: %.2f times that; %s\n", when, mib(live), mib(resident),
              (double)resident / (double)live, path);
    return true;
}

static void report(void) {
    bw_compaction c;
    bw_read_compaction(&c);
    bw_printf("compacted  %d objects, %.1f MiB, were moved; %.1f MiB of spans became empty\n", c.moved_objects,
              mib(c.moved_bytes), mib(c.emptied_bytes));
    bw_printf("           %d had to stay: %d for a word on a stack, %d in static data, %d in memory; %d were pinned\n",
              c.by_stack + c.by_data + c.by_memory + c.by_request, c.by_stack, c.by_data, c.by_memory, c.by_request);
    bw_printf("           in %.1f ms: marking %.1f, pinning %.1f, planning %.1f, updating %.1f, moving %.1f\n",
              (double)c.pause_ns / 1e6, (double)c.mark_ns / 1e6, (double)c.pin_ns / 1e6, (double)c.plan_ns / 1e6,
              (double)c.update_ns / 1e6, (double)c.move_ns / 1e6);
}

int main(int argc, char **argv) {
    uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) << 20;
    uint64_t percent = argc > 2 ? strtoull(argv[2], NULL, 10) : 90;
    const char *directory = argc > 3 ? argv[3] : ".";
    if (argc > 4 || bytes == 0 || percent > 100) {
        fputs("usage: compaction [MIB [PERCENT [DIRECTORY]]]\n", stderr);
        return 2;
    }
    bw_slice(document_ref) documents = make_documents(bytes, percent);
    if (bw_len(documents) == 0) {
        fputs("compaction: nothing is left\n", stderr);
        return 1;
    }
    document *first = bw_at(documents, 0);                          /* stays: this variable holds it */
    void *pinned = bw_pin(bw_at(documents, bw_len(documents) / 2)); /* and this one because we say so */
    uint64_t sum = sum_of(documents);
    bw_free_os_memory(); /* all that can be given back without moving anything */
    if (!show("before", directory))
        return 1;
    if (!bw_compact()) {
        fputs("compaction: there was no memory for it\n", stderr);
        return 1;
    }
    report();
    if (!show("after", directory))
        return 1;
    bool same =
        sum_of(documents) == sum && first == bw_at(documents, 0) && pinned == bw_at(documents, bw_len(documents) / 2);
    bw_unpin(pinned);
    bw_printf("checked    %d documents: %s\n", bw_len(documents), same ? "as they were" : "NOT as they were");
    return !same;
}
