/* commands.c - what the server can do.
 *
 * Each command is a function that reads its arguments from the request, asks the store, and replies. The words of errors
 * are those of Redis, since programs look for them.
 */
#include "server.h"
#include "text.h"
#include <limits.h>
#include <unistd.h>

typedef struct command {
    bw_string name;
    void (*run)(client *c);
    int arity; /* arguments with the name; at least so many, if it is negative */
    bool writes;
    int first_key, last_key, key_step; /* which arguments are keys: for COMMAND */
} command;

/* ---- arguments -------------------------------------------------------------------------------------------------- */

static ptrdiff_t count_of(const client *c) {
    return bw_len(c->in.arguments);
}

static bw_string argument(const client *c, ptrdiff_t i) {
    return input_argument(&c->in, i);
}

static bool argument_is(const client *c, ptrdiff_t i, const char *word) {
    return bw_str_equal_fold(argument(c, i), (bw_string){word, (ptrdiff_t)__builtin_strlen(word)});
}

/* Every step-th one from the first on. They are parts of the buffer. */
static bw_slice(bw_string) arguments_from(const client *c, ptrdiff_t first, ptrdiff_t step) {
    bw_slice(bw_string) some = bw_make_slice(bw_string, 0, (count_of(c) - first + step - 1) / step);
    for (ptrdiff_t i = first; i < count_of(c); i += step)
        some = bw_append(some, argument(c, i));
    return some;
}

/* An argument that is to be kept: the buffer will be used again. */
static bw_string copy_of(bw_string text) {
    return bw_string_from(text.ptr, bw_len(text));
}

/* ---- replies that several give ---------------------------------------------------------------------------------- */

static void reply_ok(client *c) {
    reply_status(&c->out, bw_str("OK"));
}

static void refuse(client *c, const char *error) {
    reply_error(&c->out, (bw_string){error, (ptrdiff_t)__builtin_strlen(error)});
}

static void refuse_syntax(client *c) {
    refuse(c, "ERR syntax error");
}

static void refuse_arity(client *c) {
    reply_error(&c->out, bw_sprintf("ERR wrong number of arguments for '%s' command", c->name));
}

static void refuse_expiry(client *c) {
    reply_error(&c->out, bw_sprintf("ERR invalid expire time in '%s' command", c->name));
}

static void reply_finding(client *c, finding found) {
    if (found.is_there)
        reply_bulk(&c->out, found.value);
    else
        reply_nil(&c->out);
}

/* An argument that has to be a number; if it is none, that is the reply. */
static bool number_argument(client *c, ptrdiff_t i, int64_t *value) {
    bool is_number = integer_from(argument(c, i), value);
    if (!is_number)
        refuse(c, "ERR value is not an integer or out of range");
    return is_number;
}

/* ---- the connection --------------------------------------------------------------------------------------------- */

static void ping(client *c) {
    if (count_of(c) > 2)
        refuse_arity(c);
    else if (count_of(c) == 2)
        reply_bulk(&c->out, argument(c, 1));
    else
        reply_status(&c->out, bw_str("PONG"));
}

static void echo(client *c) {
    reply_bulk(&c->out, argument(c, 1));
}

static void quit(client *c) {
    reply_ok(c);
    c->is_leaving = true;
}

/* There is one database. */
static void select_database(client *c) {
    int64_t number;
    if (!integer_from(argument(c, 1), &number) || number < INT_MIN || number > INT_MAX)
        refuse(c, "ERR value is not an integer or out of range");
    else if (number != 0)
        refuse(c, "ERR DB index is out of range");
    else
        reply_ok(c);
}

/* HTTP: somebody makes a browser talk to this server. */
static void leave_at_once(client *c) {
    c->is_leaving = true;
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static void get(client *c) {
    reply_finding(c, store_get(c->store, argument(c, 1)));
}

/* When something expires that lives so many milliseconds, or so many of `unit`. False: no such time. */
static bool expiry_in(int64_t amount, int64_t unit, int64_t *expires) {
    return !__builtin_mul_overflow(amount, unit, expires) && !__builtin_add_overflow(*expires, store_now(), expires) &&
           *expires != NEVER;
}

static void set(client *c) {
    set_options options = {.expires = NEVER};
    bool has_time = false, wants_before = false;
    for (ptrdiff_t i = 3; i < count_of(c); i++) {
        bool in_seconds = argument_is(c, i, "EX");
        if (argument_is(c, i, "NX") && !options.only_if_there) {
            options.only_if_new = true;
        } else if (argument_is(c, i, "XX") && !options.only_if_new) {
            options.only_if_there = true;
        } else if (argument_is(c, i, "GET")) {
            wants_before = true;
        } else if (argument_is(c, i, "KEEPTTL") && !has_time) {
            options.keeps_expiry = true;
        } else if ((in_seconds || argument_is(c, i, "PX")) && !has_time && !options.keeps_expiry &&
                   i + 1 < count_of(c)) {
            int64_t time;
            if (!number_argument(c, ++i, &time))
                return;
            if (time <= 0 || !expiry_in(time, in_seconds ? 1000 : 1, &options.expires)) {
                refuse_expiry(c);
                return;
            }
            has_time = true;
        } else {
            refuse_syntax(c);
            return;
        }
    }
    finding before;
    bool is_set = store_set(c->store, argument(c, 1), copy_of(argument(c, 2)), options, &before);
    if (wants_before)
        reply_finding(c, before);
    else if (is_set)
        reply_ok(c);
    else
        reply_nil(&c->out);
}

static void increment_by(client *c, int64_t by) {
    int64_t result;
    switch (store_increment(c->store, argument(c, 1), by, &result)) {
    case INCREMENTED: reply_integer(&c->out, result); break;
    case NOT_A_NUMBER: refuse(c, "ERR value is not an integer or out of range"); break;
    case WOULD_OVERFLOW: refuse(c, "ERR increment or decrement would overflow"); break;
    }
}

static void increment(client *c) {
    increment_by(c, 1);
}

static void decrement(client *c) {
    increment_by(c, -1);
}

static void increment_by_argument(client *c) {
    int64_t by;
    if (number_argument(c, 2, &by))
        increment_by(c, by);
}

static void decrement_by_argument(client *c) {
    int64_t by;
    if (!number_argument(c, 2, &by))
        return;
    if (by == INT64_MIN)
        refuse(c, "ERR decrement would overflow");
    else
        increment_by(c, -by);
}

static void get_several(client *c) {
    bw_slice(finding) found = store_get_all(c->store, arguments_from(c, 1, 1));
    reply_array(&c->out, bw_len(found));
    bw_range(i, f, found) {
        reply_finding(c, f);
    }
}

static void set_several(client *c) {
    if (count_of(c) % 2 == 0) {
        refuse_arity(c);
        return;
    }
    bw_slice(bw_string) values = arguments_from(c, 2, 2);
    bw_range(i, value, values) {
        bw_at(values, i) = copy_of(value);
    }
    store_set_all(c->store, arguments_from(c, 1, 2), values);
    reply_ok(c);
}

/* ---- keys ------------------------------------------------------------------------------------------------------- */

static void delete_keys(client *c) {
    reply_integer(&c->out, store_remove(c->store, arguments_from(c, 1, 1)));
}

static void count_keys(client *c) {
    reply_integer(&c->out, store_count(c->store, arguments_from(c, 1, 1)));
}

static void expire_in(client *c, int64_t unit) {
    int64_t time, expires;
    if (!number_argument(c, 2, &time))
        return;
    if (!expiry_in(time, unit, &expires))
        refuse_expiry(c);
    else
        reply_integer(&c->out, store_expire(c->store, argument(c, 1), expires));
}

static void expire(client *c) {
    expire_in(c, 1000);
}

static void expire_in_milliseconds(client *c) {
    expire_in(c, 1);
}

static void persist(client *c) {
    reply_integer(&c->out, store_expire(c->store, argument(c, 1), NEVER));
}

static void reply_time_left(client *c, int64_t unit) {
    int64_t expires;
    if (!store_expiry(c->store, argument(c, 1), &expires)) {
        reply_integer(&c->out, -2);
    } else if (expires == NEVER) {
        reply_integer(&c->out, -1);
    } else {
        int64_t left = expires - store_now();
        reply_integer(&c->out, left < 0 ? 0 : unit == 1 ? left : (left + unit / 2) / unit);
    }
}

static void time_left(client *c) {
    reply_time_left(c, 1000);
}

static void time_left_in_milliseconds(client *c) {
    reply_time_left(c, 1);
}

static void scan(client *c) {
    uint64_t cursor;
    bw_string pattern = bw_str("*");
    int64_t count = 10;
    if (!bw_is_nil(bw_parse_uint(argument(c, 1), 10, 64, &cursor))) {
        refuse(c, "ERR invalid cursor");
        return;
    }
    for (ptrdiff_t i = 2; i < count_of(c); i += 2) {
        bool is_last = i + 1 == count_of(c);
        if (!is_last && argument_is(c, i, "MATCH")) {
            pattern = argument(c, i + 1);
        } else if (!is_last && argument_is(c, i, "COUNT")) {
            if (!number_argument(c, i + 1, &count))
                return;
            if (count < 1) {
                refuse_syntax(c);
                return;
            }
        } else {
            refuse_syntax(c);
            return;
        }
    }
    bw_slice(bw_string) keys = store_scan(c->store, &cursor, count), found = bw_sub(keys, 0, 0);
    bw_range(i, key, keys) {
        if (matches(pattern, key))
            found = bw_append(found, key);
    }
    reply_array(&c->out, 2);
    reply_bulk(&c->out, bw_format_uint(cursor, 10));
    reply_array(&c->out, bw_len(found));
    bw_range(i, key, found) {
        reply_bulk(&c->out, key);
    }
}

static void count_all_keys(client *c) {
    reply_integer(&c->out, store_look(c->store).keys);
}

static void clear(client *c) {
    if (count_of(c) > 2 || (count_of(c) == 2 && !argument_is(c, 1, "ASYNC") && !argument_is(c, 1, "SYNC"))) {
        refuse_syntax(c);
        return;
    }
    store_clear(c->store);
    reply_ok(c);
}

/* ---- the server ------------------------------------------------------------------------------------------------- */

static const char *const sections[] = {"server", "clients", "memory", "stats", "keyspace"};

static void write_section(client *c, bw_builder *b, const char *section) {
    server_statistics all = server_look(c->server);
    store_statistics kept = store_look(c->store);
    bw_string name = bw_string_of(section);
    if (bw_builder_len(b) > 0)
        bw_builder_write_cstr(b, "\r\n");
    bw_builder_printf(b, "# %s%s\r\n", bw_str_to_upper(bw_substr(name, 0, 1)), bw_substr(name, 1, bw_len(name)));
    switch (section[0] + section[1]) {
    case 's' + 'e':
        bw_builder_printf(b, "burrow_version:%s\r\nprocess_id:%d\r\nlistening_on:%s\r\nuptime_in_seconds:%d\r\n",
                          bw_version(), getpid(), all.address, (store_now() - all.started) / 1000);
        bw_builder_printf(b, "processors:%d\r\ngoroutines:%d\r\n", bw_gomaxprocs(0), bw_num_goroutine());
        break;
    case 'c' + 'l': bw_builder_printf(b, "connected_clients:%d\r\n", all.clients); break;
    case 'm' + 'e': {
        bw_mem_stats memory;
        bw_read_mem_stats(&memory);
        bw_builder_printf(b, "used_memory:%d\r\nused_memory_objects:%d\r\nused_memory_system:%d\r\n", memory.heap_alloc,
                          memory.heap_objects, memory.sys);
        bw_builder_printf(b, "collections:%d\r\ncollection_pause_total_ns:%d\r\n", memory.num_gc,
                          memory.pause_total_ns);
        break;
    }
    case 's' + 't':
        bw_builder_printf(b,
                          "total_connections_received:%d\r\nrejected_connections:%d\r\ntotal_commands_processed:%d\r\n",
                          all.accepted, all.refused, all.requests);
        bw_builder_printf(b, "expired_keys:%d\r\nkeyspace_hits:%d\r\nkeyspace_misses:%d\r\n", kept.expired, kept.hits,
                          kept.misses);
        break;
    default:
        if (kept.keys > 0)
            bw_builder_printf(b, "db0:keys=%d,expires=%d,avg_ttl=0\r\n", kept.keys, kept.expiring);
    }
}

static void info(client *c) {
    bw_builder b = {0};
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        bool is_wanted = count_of(c) == 1;
        for (ptrdiff_t j = 1; j < count_of(c); j++)
            is_wanted |= argument_is(c, j, sections[i]) || argument_is(c, j, "all") || argument_is(c, j, "default") ||
                         argument_is(c, j, "everything");
        if (is_wanted)
            write_section(c, &b, sections[i]);
    }
    reply_bulk(&c->out, bw_builder_string(&b));
}

/* What redis-benchmark and others ask for. Nothing can be set. */
static const struct {
    bw_string name, value;
} settings[] = {
    {BW_STR_INIT("appendonly"), BW_STR_INIT("no")}, {BW_STR_INIT("databases"), BW_STR_INIT("1")},
    {BW_STR_INIT("maxmemory"), BW_STR_INIT("0")},   {BW_STR_INIT("proto-max-bulk-len"), BW_STR_INIT("536870912")},
    {BW_STR_INIT("save"), BW_STR_INIT("")},
};

static void config(client *c) {
    if (!argument_is(c, 1, "GET")) {
        reply_error(&c->out, bw_sprintf("ERR unknown subcommand '%s'. Try CONFIG HELP.", argument(c, 1)));
        return;
    }
    if (count_of(c) < 3) {
        refuse(c, "ERR wrong number of arguments for 'config|get' command");
        return;
    }
    bw_slice(bw_string) found = {0};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        for (ptrdiff_t j = 2; j < count_of(c); j++) {
            if (!matches(bw_str_to_lower(argument(c, j)), settings[i].name))
                continue;
            found = bw_append(found, settings[i].name, settings[i].value);
            break;
        }
    }
    reply_array(&c->out, bw_len(found));
    bw_range(i, text, found) {
        reply_bulk(&c->out, text);
    }
}

static void list_commands(client *c);

/* ---- the table -------------------------------------------------------------------------------------------------- */

static const command table[] = {
    {BW_STR_INIT("command"), list_commands, -1, false, 0, 0, 0},
    {BW_STR_INIT("config"), config, -2, false, 0, 0, 0},
    {BW_STR_INIT("dbsize"), count_all_keys, 1, false, 0, 0, 0},
    {BW_STR_INIT("decr"), decrement, 2, true, 1, 1, 1},
    {BW_STR_INIT("decrby"), decrement_by_argument, 3, true, 1, 1, 1},
    {BW_STR_INIT("del"), delete_keys, -2, true, 1, -1, 1},
    {BW_STR_INIT("echo"), echo, 2, false, 0, 0, 0},
    {BW_STR_INIT("exists"), count_keys, -2, false, 1, -1, 1},
    {BW_STR_INIT("expire"), expire, 3, true, 1, 1, 1},
    {BW_STR_INIT("flushall"), clear, -1, true, 0, 0, 0},
    {BW_STR_INIT("flushdb"), clear, -1, true, 0, 0, 0},
    {BW_STR_INIT("get"), get, 2, false, 1, 1, 1},
    {BW_STR_INIT("host:"), leave_at_once, -1, false, 0, 0, 0},
    {BW_STR_INIT("incr"), increment, 2, true, 1, 1, 1},
    {BW_STR_INIT("incrby"), increment_by_argument, 3, true, 1, 1, 1},
    {BW_STR_INIT("info"), info, -1, false, 0, 0, 0},
    {BW_STR_INIT("mget"), get_several, -2, false, 1, -1, 1},
    {BW_STR_INIT("mset"), set_several, -3, true, 1, -1, 2},
    {BW_STR_INIT("persist"), persist, 2, true, 1, 1, 1},
    {BW_STR_INIT("pexpire"), expire_in_milliseconds, 3, true, 1, 1, 1},
    {BW_STR_INIT("ping"), ping, -1, false, 0, 0, 0},
    {BW_STR_INIT("post"), leave_at_once, -1, false, 0, 0, 0},
    {BW_STR_INIT("pttl"), time_left_in_milliseconds, 2, false, 1, 1, 1},
    {BW_STR_INIT("quit"), quit, -1, false, 0, 0, 0},
    {BW_STR_INIT("scan"), scan, -2, false, 0, 0, 0},
    {BW_STR_INIT("select"), select_database, 2, false, 0, 0, 0},
    {BW_STR_INIT("set"), set, -3, true, 1, 1, 1},
    {BW_STR_INIT("ttl"), time_left, 2, false, 1, 1, 1},
};
enum { COMMANDS = sizeof table / sizeof *table, LONGEST_NAME = 16 };

typedef const command *command_pointer;
BW_MAP(command_map, bw_string, command_pointer);
static command_map by_name;

void commands_prepare(void) {
    by_name = bw_make_map(command_map, COMMANDS);
    for (int i = 0; i < COMMANDS; i++)
        bw_put(by_name, table[i].name) = &table[i];
}

static const command *command_named(bw_string name) {
    char lower[LONGEST_NAME];
    if (bw_len(name) > LONGEST_NAME)
        return NULL;
    bw_range(i, c, name) {
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return bw_get(by_name, ((bw_string){lower, bw_len(name)}));
}

static void list_commands(client *c) {
    if (count_of(c) > 1) {
        if (argument_is(c, 1, "COUNT"))
            reply_integer(&c->out, COMMANDS);
        else if (argument_is(c, 1, "DOCS"))
            reply_array(&c->out, 0); /* redis-cli goes on without */
        else
            reply_error(&c->out, bw_sprintf("ERR unknown subcommand '%s'. Try COMMAND HELP.", argument(c, 1)));
        return;
    }
    reply_array(&c->out, COMMANDS);
    for (int i = 0; i < COMMANDS; i++) {
        const command *listed = &table[i];
        reply_array(&c->out, 6);
        reply_bulk(&c->out, listed->name);
        reply_integer(&c->out, listed->arity);
        reply_array(&c->out, 1);
        reply_status(&c->out, listed->writes ? bw_str("write") : bw_str("readonly"));
        reply_integer(&c->out, listed->first_key);
        reply_integer(&c->out, listed->last_key);
        reply_integer(&c->out, listed->key_step);
    }
}

/* ---- carrying one out ------------------------------------------------------------------------------------------- */

enum { SHOWN = 128 }; /* bytes of what was not understood */

/* An error is a line. */
static bw_string shown(bw_string text) {
    bw_slice(uint8_t) bytes = bw_bytes(bw_substr(text, 0, bw_len(text) < SHOWN ? bw_len(text) : SHOWN));
    bw_range(i, b, bytes) {
        if (b == '\r' || b == '\n')
            bw_at(bytes, i) = ' ';
    }
    return bw_string_of_bytes(bytes);
}

static void refuse_unknown(client *c) {
    bw_builder b = {0};
    bw_builder_printf(&b, "ERR unknown command '%s', with args beginning with: ", shown(argument(c, 0)));
    ptrdiff_t before = bw_builder_len(&b);
    for (ptrdiff_t i = 1; i < count_of(c) && bw_builder_len(&b) - before < SHOWN; i++)
        bw_builder_printf(&b, "'%s' ", shown(argument(c, i)));
    reply_error(&c->out, bw_builder_string(&b));
}

void command_run(client *c) {
    const command *asked = command_named(argument(c, 0));
    if (asked == NULL) {
        refuse_unknown(c);
        return;
    }
    c->name = asked->name;
    if (asked->arity > 0 ? count_of(c) != asked->arity : count_of(c) < -asked->arity)
        refuse_arity(c);
    else
        asked->run(c);
}
