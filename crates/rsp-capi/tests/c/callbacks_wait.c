/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A failover's callback that waits gets what it waits for, also if that is a resend's. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

#include <pthread.h>
#include <sys/select.h>

static int servers[2], calls;

/* Answers what is resent, and nothing else. */
static void *answers(void *nothing) {
    struct pollfd waiting[2] = {{servers[0], POLLIN, 0}, {servers[1], POLLIN, 0}};
    char buffer[16];
    int i;

    while (poll(waiting, 2, -1) > 0) {
        for (i = 0; i < 2; i++) {
            struct rsp_sndrcvinfo info;
            ssize_t n;

            if (waiting[i].revents == 0)
                continue;
            n = rsp_recvmsg(servers[i], buffer, sizeof(buffer), &info, MSG_DONTWAIT);
            if (n == 4 && memcmp(buffer, "stop", 4) == 0)
                return NULL;
            if (n > 0 && (info.sinfo_flags & RSP_RESENT))
                OK(rsp_reply(servers[i], buffer, (size_t)n, &info, 0));
        }
    }
    return nothing;
}

static void outcome(int fd, const struct rsp_notification *n, void *arg) {
    (void)n;
    (void)arg;
    FAILS(rsp_outcome(fd, 7, 0), EAGAIN);
    CHECK(rsp_outcome(fd, 7, 30000) == RSP_ACKNOWLEDGED);
    calls++;
}

static void polls(int fd, const struct rsp_notification *n, void *arg) {
    struct pollfd waiting = {fd, POLLIN, 0};

    (void)n;
    (void)arg;
    CHECK(rsp_poll(&waiting, 1, 0) == 0);
    CHECK(rsp_poll(&waiting, 1, 30000) == 1);
    calls++;
}

static void selects(int fd, const struct rsp_notification *n, void *arg) {
    struct timeval time = {30, 0};
    fd_set set;

    (void)n;
    (void)arg;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    CHECK(rsp_select(fd + 1, &set, NULL, NULL, &time) == 1);
    calls++;
}

static void closes(int fd, const struct rsp_notification *n, void *arg) {
    (void)n;
    (void)arg;
    OK(rsp_close(fd));
    calls++;
}

/* A message that nobody answers, and then the session moves. */
static int moved(rsp_notify_fn callback) {
    struct rsp_sndrcvinfo info;
    int client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);

    OK(client);
    OK(rsp_connect(client, "waits", 5));
    OK(rsp_notify(client, RSP_N_FAILOVER, callback, NULL));
    memset(&info, 0, sizeof(info));
    info.sinfo_context = 7;
    info.sinfo_flags = RSP_ACK;
    CHECK(rsp_sendmsg(client, "req", 3, &info, 0) == 3);
    OK(rsp_forcefailover(client, 0, 0));
    wait_for(client, POLLIN);
    return client;
}

/* What the library itself lets go after a time is let go after a longer one than this test waits. */
static void hold_for_long(void) {
    char path[] = "/tmp/callbacks_wait.XXXXXX";
    const char *text = "[session]\ngive_up = \"600s\"\n";
    struct rsp_info info;
    int file = mkstemp(path);

    OK(file);
    CHECK(write(file, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(file) == 0);
    memset(&info, 0, sizeof(info));
    info.info_config = path;
    OK(rsp_initialize(&info));
    CHECK(unlink(path) == 0);
}

int main(void) {
    pthread_t thread;
    int client;

    hold_for_long();
    servers[0] = serve("waits", SOCK_DGRAM);
    servers[1] = serve("waits", SOCK_DGRAM);
    CHECK(pthread_create(&thread, NULL, answers, NULL) == 0);

    client = moved(outcome);
    CHECK(rsp_dispatch(client) == 1);
    OK(rsp_close(client));
    client = moved(polls);
    CHECK(rsp_dispatch(client) == 1);
    OK(rsp_close(client));
    client = moved(selects);
    CHECK(rsp_dispatch(client) == 1);
    OK(rsp_close(client));
    client = moved(closes);
    FAILS(rsp_dispatch(client), EBADF);
    CHECK(calls == 4);

    client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(client);
    OK(rsp_connect(client, "waits", 5));
    CHECK(rsp_sendmsg(client, "stop", 4, NULL, 0) == 4);
    CHECK(pthread_join(thread, NULL) == 0);
    rsp_cleanup();
    return 0;
}
