/* copies.h - finding the copies of a process that the collector makes with mark=snapshot. */
#ifndef BURROW_TESTS_COPIES_H
#define BURROW_TESTS_COPIES_H

#include "support.h"

#include <dirent.h>

/* Its state as /proc has it, and its parent; 0: there is no such copy. */
static UNUSED char copy_state(pid_t pid, pid_t *parent) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC), number = 0;
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
    char state = 0;
    const char *name_end = strrchr(text, ')');
    if (name_end == NULL || strstr(text, "(burrow-snapshot)") == NULL ||
        sscanf(name_end, ") %c %d", &state, &number) != 2)
        return 0;
    *parent = number;
    return state;
}

static UNUSED bool copy_is_alive(pid_t pid) {
    pid_t parent;
    char state = copy_state(pid, &parent);
    return state != 0 && state != 'Z' && state != 'X';
}

/* A copy that this process has: one that is alive, or any; 0: none. */
static UNUSED pid_t copy_of(pid_t process, bool dead_ones) {
    DIR *all = opendir("/proc");
    pid_t found = 0, parent;
    for (struct dirent *entry; all && found == 0 && (entry = readdir(all)) != NULL;) {
        pid_t pid = atoi(entry->d_name);
        if (pid > 0 && copy_state(pid, &parent) != 0 && parent == process && (dead_ones || copy_is_alive(pid)))
            found = pid;
    }
    if (all)
        closedir(all);
    return found;
}

#endif
