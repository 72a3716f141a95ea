/* only_what_is_there.h - what only_links.c and only_plain.c tell of their process, by nothing but system calls and
 * stdio. */
#ifndef BURROW_TESTS_ONLY_WHAT_IS_THERE_H
#define BURROW_TESTS_ONLY_WHAT_IS_THERE_H

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void tell_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    if (tasks)
        closedir(tasks);
    printf("threads %d\n", count);
}

static void tell_signals(void) {
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "SigCgt", 6) == 0 || strncmp(line, "SigIgn", 6) == 0 || strncmp(line, "SigBlk", 6) == 0)
            fputs(line, stdout);
    if (status)
        fclose(status);
    stack_t alternate;
    if (sigaltstack(NULL, &alternate) == 0)
        printf("alternate stack %s\n", alternate.ss_flags & SS_DISABLE ? "none" : "set");
}

/* Anonymous memory that is neither the program's own data, the stack nor malloc's heap. */
static void tell_mappings(void) {
    char line[512], previous[256] = "";
    unsigned long bytes = 0;
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long lo, hi;
        char path[256] = "";
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %255s", &lo, &hi, path) < 2)
            continue;
        /* Zeroed data that follow a file's are part of it. */
        if (path[0] == 0 && previous[0] != '/') {
            count++;
            bytes += hi - lo;
        }
        strcpy(previous, path);
    }
    if (maps)
        fclose(maps);
    printf("anonymous %d %lu\n", count, bytes);
}

static void tell_what_is_there(void) {
    tell_threads();
    tell_signals();
    tell_mappings();
}

#endif
