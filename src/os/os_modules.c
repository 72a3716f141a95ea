/* os_modules.c - the writable data and thread-local storage of every loaded object.
 *
 * dl_iterate_phdr holds the loader's lock while it calls back, and the lock is recursive. So the whole of a
 * collection's stop runs inside one callback: then no stopped thread can be in the middle of dlopen, and the list is of
 * exactly the objects that are loaded while the world is stopped.
 */
#include "os_interpose.h"

#include <link.h>
#include <string.h>

static bool grow(void **array, size_t *capacity, size_t item) {
    size_t wanted = *capacity ? *capacity * 2 : 256;
    void *larger = os_map(wanted * item);
    if (larger == NULL)
        return false;
    if (*capacity) {
        memcpy(larger, *array, *capacity * item);
        os_unmap(*array, *capacity * item);
    }
    *array = larger;
    *capacity = wanted;
    return true;
}

/* strstr, but not a function that the thread sanitizer watches: it does not know that the loader's lock is held, under
 * which the loader wrote the name. */
static bool has_text(const char *text, const char *wanted) {
    for (; *text; text++) {
        size_t i = 0;
        while (wanted[i] && text[i] == wanted[i])
            i++;
        if (wanted[i] == 0)
            return true;
    }
    return false;
}

/* The runtimes of the sanitizers have tens of MiB of data, and nearly a MiB of storage in each thread, where no
 * reference of the program's is: to search them would take most of a collection's time, keep alive what their records
 * happen to mention, and raise the goal, which counts roots. */
static bool is_sanitizer(const char *name) {
    static const char *const runtimes[] = {"/libtsan.so", "/libasan.so", "/libubsan.so"};
    for (size_t i = 0; name && i < sizeof runtimes / sizeof *runtimes; i++)
        if (has_text(name, runtimes[i]))
            return true;
    return false;
}

static int list_one(struct dl_phdr_info *info, size_t size, void *argument) {
    os_modules *modules = argument;
#if OS_THREAD_SANITIZER
    os_loaded_one(info, size);
#endif
    if (is_sanitizer(info->dlpi_name))
        return 0;
    uintptr_t relro_lo = 0, relro_hi = 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) {
            /* Read-only once relocated; the kernel protects whole pages of it. */
            relro_lo = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            relro_hi = (relro_lo + info->dlpi_phdr[i].p_memsz) & ~(os_page_bytes() - 1);
        }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type == PT_LOAD && (header->p_flags & PF_W)) {
            if (modules->data_count == modules->data_capacity &&
                !grow((void **)&modules->data, &modules->data_capacity, sizeof *modules->data))
                os_fatal("runtime: out of memory: cannot list the loaded objects");
            uintptr_t lo = info->dlpi_addr + header->p_vaddr, hi = lo + header->p_memsz;
            if (relro_lo <= lo && relro_hi > lo)
                lo = relro_hi < hi ? relro_hi : hi;
            modules->data[modules->data_count++] = (os_range){(lo + 7) & ~(uintptr_t)7, hi & ~(uintptr_t)7};
        }
        if (header->p_type == PT_TLS && size > offsetof(struct dl_phdr_info, dlpi_tls_modid) &&
            info->dlpi_tls_modid > 0) {
            if (modules->tls_count == modules->tls_capacity &&
                !grow((void **)&modules->tls, &modules->tls_capacity, sizeof *modules->tls))
                os_fatal("runtime: out of memory: cannot list the loaded objects");
            modules->tls[modules->tls_count].number = info->dlpi_tls_modid;
            modules->tls[modules->tls_count++].bytes = header->p_memsz;
        }
    }
    return 0;
}

struct call {
    os_modules *modules;
    void (*body)(void *);
    void *argument;
};

static int within_lock(struct dl_phdr_info *info, size_t size, void *argument) {
    (void)info, (void)size;
    struct call *call = argument;
    call->modules->data_count = call->modules->tls_count = 0;
#if OS_THREAD_SANITIZER
    os_loaded_begin();
    dl_iterate_phdr(list_one, call->modules);
    os_loaded_held(true);
    call->body(call->argument);
    os_loaded_held(false);
#else
    dl_iterate_phdr(list_one, call->modules);
    call->body(call->argument);
#endif
    return 1; /* one callback is enough */
}

void os_with_modules(os_modules *modules, void (*body)(void *), void *argument) {
    struct call call = {modules, body, argument};
    dl_iterate_phdr(within_lock, &call);
}
