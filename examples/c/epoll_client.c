/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * An echo client around epoll: the library's descriptor beside standard input, nothing ever waits but epoll_wait(). It numbers what it sends, sees a
 * server die from a notification in band, and ends when its input has ended and every line has come back.
 *
 *   epoll_client [POOL]
 */
#include <errno.h>
#include <netinet/in.h>
#include <rsp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static char line[1 << 16];

static int watch(int epoll, int fd)
{
    struct epoll_event event;
    memset(&event, 0, sizeof(event));
    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Everything that has arrived; how many answers were among it, -1 when the session is over. */
static int answers(int fd)
{
    int count = 0;
    for (;;) {
        struct rsp_sndrcvinfo info;
        memset(&info, 0, sizeof(info));
        ssize_t n = rsp_recvmsg(fd, line, sizeof(line), &info, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return count;
        if (n < 0)
            perror("rsp_recvmsg");
        if (n <= 0)
            return -1;
        if (info.sinfo_flags & RSP_NOTIFICATION) {
            struct rsp_notification event;
            memcpy(&event, line, sizeof(event));
            fprintf(stderr, "failover to %08x\n", event.n_pe.spe_pe_id);
            continue;
        }
        printf("%.*s", (int)n, line);
        fflush(stdout);
        count++;
    }
}

int main(int argc, char **argv)
{
    const char *pool = argc > 1 ? argv[1] : "echo";
    int fd = (int)rsp_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), epoll = epoll_create1(EPOLL_CLOEXEC), missing = 0, open = 1;
    if (fd < 0 || epoll < 0 || rsp_notify(fd, RSP_N_FAILOVER, NULL, NULL) < 0 || rsp_connect(fd, pool, strlen(pool)) < 0) {
        perror(pool);
        return 1;
    }
    if (watch(epoll, 0) < 0 || watch(epoll, fd) < 0) {
        perror("epoll");
        return 1;
    }
    while (open || missing > 0) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, -1) < 1)
            continue;
        if (event.data.fd == fd) {
            int n = answers(fd);
            if (n < 0)
                return 1;
            missing -= n;
        } else {
            ssize_t n = read(0, line, sizeof(line));
            if (n <= 0) {
                epoll_ctl(epoll, EPOLL_CTL_DEL, 0, NULL);
                open = 0;
            } else if (rsp_sendmsg(fd, line, (size_t)n, NULL, 0) == n) {
                missing++;
            } else {
                perror("rsp_sendmsg");
                return 1;
            }
        }
    }
    close(epoll);
    return rsp_close(fd) < 0;
}
