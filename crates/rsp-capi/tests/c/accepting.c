/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* No session that waits for rsp_accept is lost: neither to another registration, nor for want of descriptors. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

#include <sys/resource.h>

static int connects(void) {
    int client = (int)rsp_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);

    OK(client);
    OK(rsp_connect(client, "accepting", 9));
    return client;
}

/* Accepts a session; it is this client's. */
static void accepts(int server, int client) {
    char buffer[8];
    int accepted;

    wait_for(server, POLLIN);
    accepted = (int)rsp_accept(server, NULL);
    OK(accepted);
    CHECK(rsp_sendmsg(client, "yours", 5, NULL, 0) == 5);
    wait_for(accepted, POLLIN);
    CHECK(rsp_recvmsg(accepted, buffer, sizeof(buffer), NULL, 0) == 5);
    OK(rsp_close(accepted));
    OK(rsp_close(client));
}

/* It gives out descriptors beyond a limit that was lowered, and then will not close them. */
static int is_under_valgrind(void) {
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

int main(void) {
    int server = serve("accepting", SOCK_STREAM), clients[3], taken[4096], count = 0, i;
    struct rlimit limit, little;
    struct rsp_loadinfo load;

    /* one waits, and the socket leaves the pool and comes again */
    clients[0] = connects();
    wait_for(server, POLLIN);
    OK(rsp_deregister(server));
    memset(&load, 0, sizeof(load));
    load.policy = RSP_LEAST_USED;
    OK(rsp_register(server, "accepting", 9, &load));
    clients[1] = connects();
    clients[2] = connects();
    for (i = 0; i < 3; i++)
        accepts(server, clients[i]);

    if (is_under_valgrind()) {
        OK(rsp_close(server));
        rsp_cleanup();
        return 0;
    }
    /* there is no descriptor for it, and then there is */
    clients[0] = connects();
    wait_for(server, POLLIN);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    little = limit;
    little.rlim_cur = limit.rlim_cur < 256 ? limit.rlim_cur : 256;
    CHECK(setrlimit(RLIMIT_NOFILE, &little) == 0);
    while (count < 4096 && (taken[count] = dup(2)) >= 0)
        count++;
    CHECK(count < 4096);
    FAILS(rsp_accept(server, NULL), EMFILE);
    while (count > 0)
        close(taken[--count]);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    accepts(server, clients[0]);
    OK(rsp_close(server));
    rsp_cleanup();
    return 0;
}
