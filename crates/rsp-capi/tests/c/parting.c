/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A message that was accepted arrives, in whatever way its sender parts: the session for it may not be open yet. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* How the sender goes. */
enum { BLOCKING_CLOSE, CLOSE, PLAIN_CLOSE, CLEANUP, EXIT, WAYS };

static void sends_and_goes(int way, const char *pool) {
    int fd = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    struct msghdr message;
    struct iovec part;

    OK(fd);
    memset(&message, 0, sizeof(message));
    message.msg_name = (void *)pool;
    message.msg_namelen = (socklen_t)strlen(pool);
    part.iov_base = (void *)"hello";
    part.iov_len = 5;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    CHECK(rsp_sendmsg(fd, &message, MSG_DONTWAIT) == 5);
    switch (way) {
    case BLOCKING_CLOSE:
        OK(rsp_close(fd));
        /* the message does not need the end of the program */
        raise(SIGKILL);
        break;
    case CLOSE:
        OK(fcntl(fd, F_SETFL, O_NONBLOCK));
        OK(rsp_close(fd));
        break;
    case PLAIN_CLOSE:
        OK(close(fd));
        break;
    case CLEANUP:
        rsp_cleanup();
        raise(SIGKILL);
        break;
    case EXIT:
        break;
    }
    exit(0);
}

/* Whether the message of a child that goes in this way arrives. */
static int arrives(int way, int attempt) {
    int ready[2], status, server, is_there;
    struct pollfd waiting;
    char pool[32], buffer[8];
    pid_t child;

    sprintf(pool, "parting-%d-%d", way, attempt);
    CHECK(pipe(ready) == 0);
    child = fork();
    OK(child);
    if (child == 0) {
        CHECK(read(ready[0], buffer, 1) == 1);
        sends_and_goes(way, pool);
    }
    server = serve(pool, SOCK_DGRAM);
    CHECK(write(ready[1], "x", 1) == 1);
    waiting.fd = server;
    waiting.events = POLLIN;
    /* nothing bounds how long rsp_close waits; the others wait a second at most */
    if (way == BLOCKING_CLOSE) {
        wait_for(server, POLLIN);
        is_there = 1;
    } else {
        CHECK(waitpid(child, &status, 0) == child);
        is_there = poll(&waiting, 1, 500);
    }
    if (is_there)
        CHECK(rsp_recvmsg(server, buffer, sizeof(buffer), NULL, 0) == 5);
    if (way == BLOCKING_CLOSE)
        CHECK(waitpid(child, &status, 0) == child);
    /* under valgrind a child also answers for what the parent alone can free: 99 */
    CHECK(WIFEXITED(status) ? WEXITSTATUS(status) != 1 : WTERMSIG(status) == SIGKILL);
    OK(rsp_close(server));
    close(ready[0]);
    close(ready[1]);
    return is_there;
}

int main(void) {
    int way, attempt;

    CHECK(arrives(BLOCKING_CLOSE, 0));
    /* a slow machine may need more than that second, but not always */
    for (way = CLOSE; way < WAYS; way++) {
        for (attempt = 0; attempt < 20 && !arrives(way, attempt); attempt++)
            ;
        CHECK(attempt < 20);
    }
    rsp_cleanup();
    return 0;
}
