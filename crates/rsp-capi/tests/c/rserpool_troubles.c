/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What the calls of <rserpool.h> do when something goes wrong, or other than planned. The first argument names the case.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <rserpool.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHY ""
#include "check.h"

#define WAIT 60000

static const char pool[] = "troubles";

static const unsigned char *name(void)
{
    return (const unsigned char *)pool;
}

static int bound(int type)
{
    struct sockaddr_in here;
    int sd = rsp_socket(AF_INET, type, IPPROTO_TCP);
    memset(&here, 0, sizeof(here));
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(sd >= 0 && rsp_bind(sd, (struct sockaddr *)&here, 1) == 0);
    return sd;
}

static int server(int type)
{
    int sd = bound(type);
    CHECK(rsp_register(sd, name(), strlen(pool), NULL, 10000, 0) == 0);
    return sd;
}

static int user(int type)
{
    /* A call that should not wait waits no longer than this. */
    struct timeval longest = {60, 0};
    int sd = rsp_socket(AF_INET, type, IPPROTO_TCP);
    CHECK(sd >= 0 && rsp_connect(sd, name(), strlen(pool), 0) == 0);
    CHECK(rsp_setsockopt(sd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest)) == 0);
    return sd;
}

/* Whether it becomes readable in this time. */
static int is_readable(int sd, int ms)
{
    struct pollfd fd = {sd, POLLIN, 0};
    int n = poll(&fd, 1, ms);
    CHECK(n >= 0);
    return n == 1 && (fd.revents & POLLIN) != 0;
}

/* A server in another process; a byte to `control` ends it in order. Comes before any call of the library. */
static pid_t other_server(int *control)
{
    int up[2], down[2];
    char byte;
    CHECK(pipe(up) == 0 && pipe(down) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        server(SOCK_SEQPACKET);
        CHECK(write(up[1], "R", 1) == 1 && read(down[0], &byte, 1) == 1);
        rsp_cleanup();
        _exit(0);
    }
    CHECK(read(up[0], &byte, 1) == 1);
    *control = down[1];
    return pid;
}

static void passed_over(void)
{
    char buffer[64];
    int pe = server(SOCK_SEQPACKET), pu = user(SOCK_SEQPACKET), epoll = epoll_create1(0);
    struct epoll_event event;
    memset(&event, 0, sizeof(event));
    event.events = EPOLLIN | EPOLLET;
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, pe, &event) == 0);
    /* RSERPOOL_SESSION_ADD */
    CHECK(epoll_wait(epoll, &event, 1, WAIT) == 1 && is_readable(pe, 0));
    FAILS(rsp_recv(pe, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
    CHECK(!is_readable(pe, 0));
    CHECK(rsp_send(pu, "data", 4, 0) == 4);
    CHECK(epoll_wait(epoll, &event, 1, WAIT) == 1);
    CHECK(rsp_recv(pe, buffer, sizeof(buffer), MSG_DONTWAIT) == 4);
    CHECK(!is_readable(pe, 0));
    /* RSERPOOL_SHUTDOWN_EVENT */
    CHECK(rsp_close(pu) == 0 && is_readable(pe, WAIT));
    /* RSERPOOL_SESSION_REMOVE may come a moment later. */
    for (int i = 0; is_readable(pe, 100); i++) {
        CHECK(i < 10);
        FAILS(rsp_recvmsg(pe, buffer, sizeof(buffer), NULL, NULL, 0), EAGAIN);
    }
    close(epoll);
}

/* A server that is gone, killed or ended in order, is noticed without notifications. */
static void gone(int type, int in_order)
{
    char buffer[64];
    int control;
    pid_t pid = other_server(&control);
    int pu = user(type), is_stream = type == SOCK_STREAM;
    CHECK(rsp_send(pu, "a", 1, 0) == 1 && !is_readable(pu, 0));
    if (in_order)
        CHECK(write(control, "E", 1) == 1);
    else
        CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, NULL, 0) == pid);
    CHECK(is_readable(pu, WAIT));
    FAILS(rsp_recv(pu, buffer, sizeof(buffer), 0), EIO);
    FAILS(rsp_read(pu, buffer, sizeof(buffer)), EIO);
    FAILS(rsp_send(pu, "b", 1, 0), EIO);
    CHECK(is_readable(pu, 0) == is_stream);
    /* The session goes on at another server, and then nothing is to be told. */
    int pe = server(SOCK_SEQPACKET);
    CHECK(rsp_forcefailover(pu, FFF_UNREACHABLE, 0) == 0);
    FAILS(rsp_recv(pu, buffer, sizeof(buffer), MSG_DONTWAIT), EAGAIN);
    CHECK(!is_readable(pu, 0));
    CHECK(rsp_send(pu, "c", 1, 0) == 1 && rsp_recv(pe, buffer, sizeof(buffer), 0) == 1 && buffer[0] == 'c');
    CHECK(rsp_close(pu) == 0 && rsp_close(pe) == 0);
}

static void failed_stream(void)
{
    gone(SOCK_STREAM, 0);
}

static void failed_many(void)
{
    gone(SOCK_SEQPACKET, 0);
}

static void ended_stream(void)
{
    gone(SOCK_STREAM, 1);
}

/* The library's own descriptors are never read or written as those of the system. */
static void own_descriptors(void)
{
    char buffer[64];
    int pe = server(SOCK_SEQPACKET), pu = user(SOCK_SEQPACKET), again = dup(pe), status;
    CHECK(again >= 0 && rsp_send(pu, "data", 4, 0) == 4 && is_readable(pe, WAIT));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        FAILS(rsp_read(pe, buffer, sizeof(buffer)), EBADF);
        FAILS(rsp_write(pu, "x", 1), EBADF);
        FAILS(rsp_close(pu), EBADF);
        /* Nothing of the library is freed here. */
        raise(SIGKILL);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(is_readable(pe, 0) && rsp_recv(pe, buffer, sizeof(buffer), 0) == 4);

    /* A duplicate of what is closed */
    CHECK(rsp_close(pe) == 0);
    FAILS(rsp_read(again, buffer, sizeof(buffer)), EBADF);
    FAILS(rsp_write(again, "x", 1), EBADF);
    close(again);

    rsp_cleanup();
    FAILS(rsp_write(pu, "x", 1), EBADF);
    FAILS(rsp_read(pu, buffer, sizeof(buffer)), EBADF);
    FAILS(rsp_send(pu, "x", 1, 0), EBADF);
    CHECK(fcntl(pu, F_GETFD) != -1 && rsp_close(pu) == 0 && fcntl(pu, F_GETFD) == -1);
    FAILS(rsp_close(pu), EBADF);
}

static void nothing(int number)
{
    (void)number;
}

/* A signal ends rsp_forcefailover, and another call goes on with what it has begun. */
static void interrupted(void)
{
    char buffer[64];
    uint32_t first = 0, second = 0, now = 0;
    struct sigaction action;
    struct itimerval often = {{0, 100000}, {0, 100000}}, never = {{0, 0}, {0, 0}};
    int pe = server(SOCK_SEQPACKET), pu = user(SOCK_STREAM), other;
    CHECK(rsp_getsockname(pe, NULL, NULL, &first) == 0);
    CHECK(rsp_send(pu, "a", 1, 0) == 1 && rsp_recv(pe, buffer, sizeof(buffer), 0) == 1);
    /* There is no other server yet. */
    CHECK(rsp_deregister(pe, 0) == 0);
    memset(&action, 0, sizeof(action));
    action.sa_handler = nothing;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    FAILS(rsp_forcefailover(pu, FFF_NONE, 0), EINTR);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    FAILS(rsp_send(pu, "b", 1, 0), EIO);
    other = server(SOCK_SEQPACKET);
    CHECK(rsp_getsockname(other, NULL, NULL, &second) == 0);
    for (int i = 0; rsp_getpeername(pu, NULL, NULL, &now) == 0 && now != second; i++) {
        CHECK(i < WAIT / 10);
        usleep(10000);
    }
    /* The session is there already: nothing is left once more. */
    FAILS(rsp_send(pu, "b", 1, 0), EIO);
    CHECK(rsp_forcefailover(pu, FFF_UNREACHABLE, 0) == 0);
    CHECK(rsp_getpeername(pu, NULL, NULL, &now) == 0 && now == second);
    CHECK(rsp_send(pu, "c", 1, 0) == 1 && rsp_recv(other, buffer, sizeof(buffer), 0) == 1 && buffer[0] == 'c');
    CHECK(rsp_close(pu) == 0 && rsp_close(pe) == 0 && rsp_close(other) == 0);
}

/* A session that moves by itself is only told to leave. */
static void forced(void)
{
    char buffer[64];
    uint32_t first = 0, second = 0, now = 0;
    int pe = server(SOCK_SEQPACKET), pu = user(SOCK_STREAM), other = server(SOCK_SEQPACKET), yes = 1;
    CHECK(rsp_getsockname(pe, NULL, NULL, &first) == 0 && rsp_getsockname(other, NULL, NULL, &second) == 0);
    CHECK(rsp_getpeername(pu, NULL, NULL, &now) == 0 && now == first);
    CHECK(rsp_setsockopt(pu, SOL_RSP, RSP_OPT_FAILOVER, &yes, sizeof(yes)) == 0);
    CHECK(rsp_deregister(pe, 0) == 0 && rsp_forcefailover(pu, FFF_NONE, 0) == 0);
    for (int i = 0; rsp_getpeername(pu, NULL, NULL, &now) == 0 && now != second; i++) {
        CHECK(i < WAIT / 10);
        usleep(10000);
    }
    CHECK(rsp_send(pu, "a", 1, 0) == 1 && rsp_recv(other, buffer, sizeof(buffer), 0) == 1);
    CHECK(rsp_close(pu) == 0 && rsp_close(pe) == 0 && rsp_close(other) == 0);
}

/* What was promised to be registered when there is a registrar counts as registered. */
static void daemon_mode(void)
{
    char buffer[64];
    struct rsp_info info;
    const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};
    CHECK(unsetenv("RSERPOOL_REGISTRARS") == 0);
    rsp_initinfo(&info);
    /* Nobody listens there. */
    CHECK(rsp_initarg(&info, "-registrar=127.0.0.1:9") == 1 && rsp_initarg(&info, "-asapannounce=off") == 1);
    CHECK(rsp_initarg(&info, "-registrarrequesttimeout=300") == 1 && rsp_initarg(&info, "-registrarconnecttimeout=300") == 1);
    CHECK(rsp_initialize(&info) == 0);
    rsp_freeinfo(&info);
    for (int i = 0; i < 2; i++) {
        int sd = bound(types[i]), ready = bound(types[i]);
        CHECK(rsp_register(sd, name(), strlen(pool), NULL, 10000, REGF_DAEMONMODE) == 0);
        if (types[i] == SOCK_STREAM)
            FAILS(rsp_accept(sd, 0), EAGAIN);
        else
            FAILS(rsp_recvmsg(sd, buffer, sizeof(buffer), NULL, NULL, 0), EAGAIN);
        CHECK(fcntl(ready, F_SETFL, O_NONBLOCK) == 0);
        CHECK(rsp_register(ready, name(), strlen(pool), NULL, 10000, REGF_DAEMONMODE) == 0);
        if (types[i] == SOCK_STREAM)
            FAILS(rsp_accept(ready, 0), EAGAIN);
        else
            FAILS(rsp_recvmsg(ready, buffer, sizeof(buffer), NULL, NULL, 0), EAGAIN);
        CHECK(rsp_close(sd) == 0 && rsp_close(ready) == 0);
    }
}

/* A call that succeeds leaves errno alone. */
#define KEEPS_ERRNO(call)                                                                                              \
    do {                                                                                                               \
        errno = EIO;                                                                                                   \
        CHECK(call);                                                                                                   \
        CHECK(errno == EIO);                                                                                           \
    } while (0)

static void keeps_errno(void)
{
    char buffer[64];
    int pe = server(SOCK_SEQPACKET), pu = rsp_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_TCP);
    CHECK(pu >= 0);
    KEEPS_ERRNO(rsp_connect(pu, name(), strlen(pool), 0) == 0);
    KEEPS_ERRNO(rsp_send(pu, "a", 1, 0) == 1);
    KEEPS_ERRNO(rsp_recv(pe, buffer, sizeof(buffer), 0) == 1);
    KEEPS_ERRNO(rsp_close(pu) == 0);
    KEEPS_ERRNO(rsp_deregister(pe, 0) == 0);
    KEEPS_ERRNO(rsp_close(pe) == 0);
    KEEPS_ERRNO((rsp_cleanup(), 1));
}

/* Waits for a report whose text is this. */
static void expect_status(int udp, const char *status)
{
    unsigned char report[512];
    for (int i = 0; i < 400; i++) {
        CHECK(is_readable(udp, WAIT));
        ssize_t n = recv(udp, report, sizeof(report), 0);
        CHECK(n > 156);
        /* header, its center's text */
        if (strcmp((const char *)report + 156, status) == 0)
            return;
    }
    CHECK(!"such a report");
}

static void status(void)
{
    char buffer[64], word[64];
    struct rsp_info info;
    struct rsp_sndrcvinfo rinfo;
    struct sockaddr_in here;
    socklen_t length = sizeof(here);
    int udp = socket(AF_INET, SOCK_DGRAM, 0), flags;
    memset(&here, 0, sizeof(here));
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(udp >= 0 && bind(udp, (struct sockaddr *)&here, sizeof(here)) == 0);
    CHECK(getsockname(udp, (struct sockaddr *)&here, &length) == 0);
    rsp_initinfo(&info);
    snprintf(word, sizeof(word), "-cspserver=127.0.0.1:%d", ntohs(here.sin_port));
    CHECK(rsp_initarg(&info, word) == 1 && rsp_initarg(&info, "-cspinterval=250") == 1);
    CHECK(rsp_initialize(&info) == 0);
    rsp_freeinfo(&info);
    int pe = server(SOCK_SEQPACKET), pu = user(SOCK_SEQPACKET);
    CHECK(rsp_send(pu, "a", 1, 0) == 1);
    do {
        flags = 0;
        CHECK(rsp_recvmsg(pe, buffer, sizeof(buffer), &rinfo, &flags, WAIT) > 0);
    } while (flags & MSG_RSERPOOL_NOTIFICATION);
    CHECK(rsp_csp_setstatus(pe, 0, "serving") == 0 && rsp_csp_setstatus(pe, rinfo.rinfo_session, "busy") == 0);
    expect_status(udp, "busy; serving");
    CHECK(rsp_close(pu) == 0);
    /* What is said of the session ends with it; what is said of the socket stays. */
    expect_status(udp, "serving");
    CHECK(rsp_close(pe) == 0);
    close(udp);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"passed_over", passed_over},
    {"failed_stream", failed_stream},
    {"failed_many", failed_many},
    {"ended_stream", ended_stream},
    {"own_descriptors", own_descriptors},
    {"interrupted", interrupted},
    {"forced", forced},
    {"daemon", daemon_mode},
    {"errno", keeps_errno},
    {"status", status},
};

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (strcmp(cases[i].name, argv[1]) == 0) {
            cases[i].run();
            rsp_cleanup();
            return 0;
        }
    return 2;
}
