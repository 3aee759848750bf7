/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Threads, signals, fork and cancellation. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static int client, server;
static volatile sig_atomic_t handled;

static void *receives(void *result) {
    char buffer[64];
    ssize_t n = rsp_recvmsg(client, buffer, sizeof(buffer), NULL, 0);

    *(int *)result = n == -1 ? errno : 0;
    return NULL;
}

static void on_signal(int number) {
    (void)number;
    handled = 1;
}

static void *receives_for_ever(void *nothing) {
    char buffer[64];
    (void)nothing;
    for (;;) {
        rsp_recvmsg(client, buffer, sizeof(buffer), NULL, 0);
        pthread_testcancel();
    }
    return NULL;
}

/* Each sends and one receives everything. */
static void *sends(void *nothing) {
    int i;
    (void)nothing;
    for (i = 0; i < 200; i++)
        CHECK(rsp_sendmsg(client, "x", 1, NULL, 0) == 1);
    return NULL;
}

/* Sends until it fails. */
static void *fills(void *result) {
    static char block[4096];

    while (rsp_sendmsg(client, block, sizeof(block), NULL, 0) == (ssize_t)sizeof(block))
        ;
    *(int *)result = errno;
    return NULL;
}

/* Sends the signal until the thread has ended: it may not wait yet. */
static void interrupt(pthread_t thread) {
    int tries;
    for (tries = 0; tries < 30000 && pthread_kill(thread, SIGUSR1) == 0 && pthread_tryjoin_np(thread, NULL) != 0; tries++)
        usleep(1000);
    CHECK(tries < 30000);
}

int main(void) {
    pthread_t threads[4];
    int results[4], i, status;
    struct sigaction action;
    char buffer[64];
    struct pollfd room;
    pid_t child;

    server = serve("threads", SOCK_DGRAM);
    client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(client);
    OK(rsp_connect(client, "threads", 7));

    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, sends, NULL) == 0);
    for (i = 0; i < 800; i++)
        CHECK(rsp_recvmsg(server, buffer, sizeof(buffer), NULL, 0) == 1);
    for (i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);

    /* a signal ends a call, in whichever thread, whoever drives */
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    for (i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, receives, &results[i]) == 0);
    for (i = 0; i < 2; i++) {
        interrupt(threads[i]);
        CHECK(results[i] == EINTR);
    }
    CHECK(handled);

    /* a child has no use of what it inherited, and can open its own */
    child = fork();
    OK(child);
    if (child == 0) {
        int own;
        FAILS(rsp_sendmsg(client, "x", 1, NULL, 0), EBADF);
        FAILS(rsp_close(client), EBADF);
        own = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
        OK(own);
        OK(rsp_connect(own, "threads", 7));
        CHECK(rsp_sendmsg(own, "child", 5, NULL, 0) == 5);
        OK(rsp_close(own));
        rsp_cleanup();
        /* valgrind would look for leaks in what the parent alone can free */
        raise(SIGKILL);
    }
    CHECK(rsp_recvmsg(server, buffer, sizeof(buffer), NULL, 0) == 5);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    /* a thread that is cancelled ends between two calls */
    CHECK(pthread_create(&threads[0], NULL, receives_for_ever, NULL) == 0);
    CHECK(pthread_cancel(threads[0]) == 0);
    interrupt(threads[0]);

    /* closing wakes all that wait */
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, receives, &results[i]) == 0);
    usleep(20000);
    OK(rsp_close(client));
    for (i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(results[i] == EBADF);
    }

    /* a send that waits for room, too */
    client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(client);
    OK(rsp_connect(client, "threads", 7));
    CHECK(pthread_create(&threads[0], NULL, fills, &results[0]) == 0);
    room.fd = client;
    room.events = POLLOUT;
    for (i = 0; i < 30000 && poll(&room, 1, 0) != 0; i++)
        usleep(1000);
    CHECK(i < 30000);
    usleep(20000);
    OK(rsp_close(client));
    CHECK(pthread_join(threads[0], NULL) == 0);
    CHECK(results[0] == EBADF);
    OK(rsp_close(server));
    return 0;
}
