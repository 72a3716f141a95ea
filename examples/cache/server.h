/* server.h - the server and its connections.
 *
 * A goroutine accepts connections, and each connection has a goroutine of its own, which reads requests, carries them out
 * and writes the replies, one after another, as if it were alone.
 */
#ifndef CACHE_SERVER_H
#define CACHE_SERVER_H

#include "protocol.h"
#include "store.h"

typedef struct server server;

/* A connection. Its goroutine alone uses it, but for `requests` and `in.fd`. */
typedef struct client {
    server *server;
    store *store;
    input in;
    output out;
    bw_string name;            /* of the command that is being carried out, as it is in the table */
    _Atomic uint64_t requests; /* that it has made */
    bool is_leaving;           /* the connection ends with the next reply */
} client;

typedef struct server_options {
    bw_slice(int) listeners;
    bw_string address; /* for INFO */
    int64_t most_clients;
} server_options;

/* Begins to serve. */
server *server_start(server_options options);

/* Takes no more connections, ends those that there are, and returns when all are gone. */
void server_stop(server *s);

typedef struct server_statistics {
    int64_t started; /* as store_now() has it */
    int64_t clients; /* now */
    uint64_t accepted, refused, requests;
    bw_string address;
} server_statistics;
server_statistics server_look(server *s);

/* ---- commands.c ------------------------------------------------------------------------------------------------- */

/* Makes the table of commands; before the first request. */
void commands_prepare(void);

/* Carries out the request that has just been read, and replies. */
void command_run(client *c);

#endif
