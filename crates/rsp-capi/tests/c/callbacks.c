/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Callbacks that call back in, close their own socket, and leave by longjmp: nothing is lost, nothing crashes. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

#include <setjmp.h>

static jmp_buf out;
static int calls;

static void calls_in(int fd, const struct rsp_notification *n, void *arg) {
    struct sockaddr_pehandle peer;
    char buffer[8];

    CHECK(n->n_type == RSP_N_FAILOVER && arg == NULL);
    CHECK(rsp_dispatch(fd) == 0);
    CHECK(rsp_sendmsg(fd, "ahead", 5, NULL, 0) == 5);
    FAILS(rsp_recvmsg(fd, buffer, sizeof(buffer), NULL, MSG_DONTWAIT), EAGAIN);
    OK(rsp_getpeername(fd, 0, &peer));
    CHECK(peer.spe_pe_id == n->n_pe.spe_pe_id);
    OK(rsp_notify(fd, RSP_N_FAILOVER, calls_in, NULL));
    calls++;
}

static void jumps(int fd, const struct rsp_notification *n, void *arg) {
    (void)fd;
    (void)n;
    (void)arg;
    calls++;
    longjmp(out, 1);
}

static void closes(int fd, const struct rsp_notification *n, void *arg) {
    (void)n;
    (void)arg;
    calls++;
    OK(rsp_close(fd));
}

/* Reads both servers until one of them has got these bytes. */
static void one_gets(const int *servers, const char *text) {
    char buffer[64];
    int tries;

    for (tries = 0; tries < 100; tries++) {
        struct pollfd waiting[2] = {{servers[0], POLLIN, 0}, {servers[1], POLLIN, 0}};
        int i;

        CHECK(rsp_poll(waiting, 2, 30000) > 0);
        for (i = 0; i < 2; i++) {
            if (waiting[i].revents & POLLIN) {
                ssize_t n = rsp_recvmsg(servers[i], buffer, sizeof(buffer), NULL, 0);
                OK(n);
                if ((size_t)n == strlen(text) && memcmp(buffer, text, (size_t)n) == 0)
                    return;
            }
        }
    }
    CHECK(!"it arrives");
}

int main(void) {
    int servers[2], client;
    char buffer[8];
    volatile int i;

    servers[0] = serve("back", SOCK_DGRAM);
    servers[1] = serve("back", SOCK_DGRAM);
    client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(client);
    OK(rsp_connect(client, "back", 4));

    OK(rsp_notify(client, RSP_N_FAILOVER, calls_in, NULL));
    OK(rsp_forcefailover(client, 0, 0));
    wait_for(client, POLLIN);
    CHECK(rsp_sendmsg(client, "after", 5, NULL, 0) == 5 && calls == 1);
    one_gets(servers, "ahead");
    one_gets(servers, "after");

    OK(rsp_notify(client, RSP_N_FAILOVER, jumps, NULL));
    for (i = 0; i < 3; i++) {
        OK(rsp_forcefailover(client, 0, 0));
        wait_for(client, POLLIN);
        if (setjmp(out) == 0) {
            rsp_recvmsg(client, buffer, sizeof(buffer), NULL, 0);
            CHECK(!"it returns");
        }
        /* the session goes on */
        CHECK(rsp_sendmsg(client, "jumped", 6, NULL, 0) == 6);
        one_gets(servers, "jumped");
    }
    CHECK(calls == 4);

    OK(rsp_notify(client, RSP_N_FAILOVER, closes, NULL));
    OK(rsp_forcefailover(client, 0, 0));
    wait_for(client, POLLIN);
    FAILS(rsp_recvmsg(client, buffer, sizeof(buffer), NULL, 0), EBADF);
    CHECK(calls == 5);
    OK(rsp_close(servers[0]));
    OK(rsp_close(servers[1]));
    rsp_cleanup();
    return 0;
}
