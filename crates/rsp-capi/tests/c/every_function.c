/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Servers and clients in one process; every function of <rsp.h>. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

#include <sys/epoll.h>

#define KEY "1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

/* A pool element that is asked, answers, acknowledges. */
static void messages(int server, int client, uint32_t pe) {
    struct rsp_sndrcvinfo info, back;
    struct msghdr message;
    struct iovec parts[2];
    struct sockaddr_pehandle from;
    union {
        char bytes[CMSG_SPACE(sizeof(struct rsp_sndrcvinfo)) + CMSG_SPACE(sizeof(struct sockaddr_pehandle))];
        struct cmsghdr align;
    } control;
    struct cmsghdr *cmsg;
    char buffer[256];
    uint32_t number;
    socklen_t len = sizeof(number);

    CHECK(rsp_sendmsg(client, "hello", 5, NULL, 0) == 5);
    wait_for(server, POLLIN);
    memset(&info, 0, sizeof(info));
    CHECK(rsp_recvmsg(server, buffer, 2, &info, MSG_PEEK) == 2 && !(info.sinfo_flags & MSG_EOR));
    CHECK(rsp_recvmsg(server, buffer, sizeof(buffer), &info, 0) == 5 && memcmp(buffer, "hello", 5) == 0);
    CHECK(info.sinfo_session != 0 && (info.sinfo_flags & MSG_EOR) && info.sinfo_pe_id == 0);
    OK(rsp_getpeername(server, info.sinfo_session, &from));
    CHECK(from.spe_handlelen == 0 && from.spe_addr.ss_family == AF_INET);
    CHECK(rsp_sendmsg(server, buffer, 5, info, 0) == 5);
    memset(&back, 0, sizeof(back));
    CHECK(rsp_recvmsg(client, buffer, 2, &back, 0) == 2 && !(back.sinfo_flags & MSG_EOR) && back.sinfo_pe_id == pe);
    CHECK(rsp_recvmsg(client, buffer, sizeof(buffer), &back, 0) == 3 && memcmp(buffer, "llo", 3) == 0);
    CHECK(back.sinfo_flags & MSG_EOR);
    FAILS(rsp_recvmsg(client, buffer, sizeof(buffer), NULL, MSG_DONTWAIT), EAGAIN);

    /* with a message header: in two parts, with stream, PPID and context; who got it comes back */
    memset(&control, 0, sizeof(control));
    memset(&message, 0, sizeof(message));
    parts[0].iov_base = (void *)"two ";
    parts[0].iov_len = 4;
    parts[1].iov_base = (void *)"parts";
    parts[1].iov_len = 5;
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_RSP;
    cmsg->cmsg_type = RSP_CMSG_INFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof(info));
    memset(&info, 0, sizeof(info));
    info.sinfo_ppid = htonl(7);
    info.sinfo_context = 77;
    memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
    cmsg = (struct cmsghdr *)(void *)(control.bytes + CMSG_SPACE(sizeof(info)));
    cmsg->cmsg_level = SOL_RSP;
    cmsg->cmsg_type = RSP_CMSG_PEHANDLE;
    cmsg->cmsg_len = CMSG_LEN(sizeof(from));
    CHECK(rsp_sendmsg(client, &message, RSP_ACK) == 9);
    memcpy(&from, CMSG_DATA(cmsg), sizeof(from));
    CHECK(from.spe_pe_id == pe);
    OK(rsp_getsockopt(client, SOL_RSP, RSP_OPT_UNACKED, &number, &len));
    CHECK(number == 1 && len == 4);
    FAILS(rsp_outcome(client, 77, 0), EAGAIN);

    memset(&control, 0, sizeof(control));
    parts[0].iov_base = buffer;
    parts[0].iov_len = 4;
    parts[1].iov_base = buffer + 100;
    parts[1].iov_len = 100;
    message.msg_name = &from;
    message.msg_namelen = sizeof(from);
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    CHECK(rsp_rcvmsg(server, &message, 0) == 9 && memcmp(buffer, "two ", 4) == 0 && memcmp(buffer + 100, "parts", 5) == 0);
    CHECK((message.msg_flags & MSG_EOR) && (message.msg_flags & RSP_ACK_WANTED) && message.msg_namelen == sizeof(from));
    cmsg = CMSG_FIRSTHDR(&message);
    CHECK(cmsg != NULL && cmsg->cmsg_level == SOL_RSP && cmsg->cmsg_type == RSP_CMSG_INFO);
    memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
    CHECK(ntohl(info.sinfo_ppid) == 7 && info.sinfo_id != 0);
    OK(rsp_ack(server, &info));
    FAILS(rsp_ack(server, &info), EINVAL);
    CHECK(rsp_outcome(client, 77, -1) == RSP_ACKNOWLEDGED);
    FAILS(rsp_outcome(client, 77, 0), ENOENT);

    /* answered and acknowledged in one */
    memset(&info, 0, sizeof(info));
    info.sinfo_context = 78;
    info.sinfo_flags = RSP_ACK;
    CHECK(rsp_sendmsg(client, "ask", 3, info, 0) == 3);
    CHECK(rsp_recvmsg(server, buffer, sizeof(buffer), &info, 0) == 3);
    CHECK(rsp_reply(server, "answer", 6, &info, 0) == 6);
    CHECK(rsp_recvmsg(client, buffer, sizeof(buffer), NULL, 0) == 6 && memcmp(buffer, "answer", 6) == 0);
    CHECK(rsp_outcome(client, 78, 30000) == RSP_ACKNOWLEDGED);

    /* larger than any chunk, with a lifetime that does not end */
    {
        static char large[200000];
        size_t got = 0;
        memset(&info, 0, sizeof(info));
        info.sinfo_timetolive = 600000;
        memset(large, 'l', sizeof(large));
        CHECK(rsp_sendmsg(client, large, sizeof(large), info, 0) == (ssize_t)sizeof(large));
        do {
            ssize_t n = rsp_recvmsg(server, large, 70000, &info, 0);
            OK(n);
            got += (size_t)n;
        } while (!(info.sinfo_flags & MSG_EOR));
        CHECK(got == sizeof(large) && large[69999] == 'l');
    }
}

/* The state one server leaves to the next, told in band. */
static void cookies(int server, int other, int client) {
    struct rsp_notification notification;
    struct rsp_sndrcvinfo info;
    char buffer[1024];
    ssize_t n;
    int tries;

    OK(rsp_notify(other, RSP_N_COOKIE, NULL, NULL));
    OK(rsp_notify(client, RSP_N_FAILOVER | RSP_N_SESSION, NULL, NULL));
    CHECK(rsp_sendmsg(client, "first", 5, NULL, 0) == 5);
    CHECK(rsp_recvmsg(server, buffer, sizeof(buffer), &info, 0) == 5);
    OK(rsp_setcookie(server, info.sinfo_session, "state", 5));
    CHECK(rsp_sendmsg(server, "kept", 4, info, 0) == 4);
    CHECK(rsp_recvmsg(client, buffer, sizeof(buffer), &info, 0) == 4 && memcmp(buffer, "kept", 4) == 0);
    OK(rsp_forcefailover(client, 0, 0));
    for (tries = 0; tries < 100; tries++) {
        n = rsp_recvmsg(client, buffer, sizeof(buffer), &info, 0);
        CHECK(n == (ssize_t)sizeof(notification) && (info.sinfo_flags & RSP_NOTIFICATION));
        memcpy(&notification, buffer, sizeof(notification));
        if (notification.n_type == RSP_N_FAILOVER)
            break;
        CHECK(notification.n_type == RSP_N_SESSION);
    }
    CHECK(notification.n_type == RSP_N_FAILOVER && notification.n_code == RSP_CAUSE_APPLICATION && notification.n_count == 1);
    CHECK(notification.n_flags & RSP_COOKIE_SENT);
    OK(rsp_notify(client, 0, NULL, NULL));
    n = rsp_recvmsg(other, buffer, sizeof(buffer), &info, 0);
    CHECK(n == (ssize_t)sizeof(notification) + 5 && (info.sinfo_flags & RSP_NOTIFICATION));
    memcpy(&notification, buffer, sizeof(notification));
    CHECK(notification.n_type == RSP_N_COOKIE && notification.n_length == 5);
    CHECK(memcmp(buffer + sizeof(notification), "state", 5) == 0);
}

/* Until a registrar knows so many servers of the pool, and this process, too. */
static void wait_for_servers(int fd, const char *name, size_t count) {
    uint32_t no = 0;
    size_t found = 0;
    int tries;

    OK(rsp_setsockopt(fd, SOL_RSP, RSP_OPT_STALE, &no, sizeof(no)));
    for (tries = 0; tries < 3000 && found < count; tries++) {
        struct rsp_poolinfo *pool = rsp_getpoolinfo(fd, name, strlen(name), 0xffffffff);
        CHECK(pool != NULL);
        found = pool->pi_count;
        rsp_freepoolinfo(pool);
        usleep(found < count ? 10000 : 0);
    }
    CHECK(found >= count);
}

/* Messages that name where they go. */
static void names(int server, const struct sockaddr_pehandle *pe) {
    int fd = (int)rsp_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_TCP);
    struct sockaddr_storage address = pe->spe_addr;
    struct sockaddr_pehandle handle = *pe, from;
    struct rsp_sndrcvinfo info;
    struct msghdr message;
    struct iovec part;
    char buffer[64], pool[] = "every";
    int form;

    OK(fd);
    FAILS(rsp_sendmsg(fd, "x", 1, NULL, 0), EDESTADDRREQ);
    for (form = 0; form < 4; form++) {
        memset(&message, 0, sizeof(message));
        part.iov_base = (void *)"named";
        part.iov_len = 5;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_name = form == 0 || form == 3 ? (void *)pool : form == 1 ? (void *)&handle : (void *)&address;
        message.msg_namelen = form == 0 ? 5 : form == 3 ? sizeof(pool) : form == 1 ? (socklen_t)sizeof(handle) : (socklen_t)sizeof(struct sockaddr_in);
        message.msg_flags = form == 1 ? FAILOVER_NOT_ALLOWED : FAILOVER_ALLOWED;
        CHECK(rsp_sendmsg(fd, &message, 0) == 5);
        CHECK(rsp_recvmsg(server, buffer, sizeof(buffer), &info, 0) == 5);
        CHECK(rsp_sendmsg(server, "back", 4, info, 0) == 4);
        memset(&message, 0, sizeof(message));
        part.iov_base = buffer;
        part.iov_len = sizeof(buffer);
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_name = &from;
        message.msg_namelen = sizeof(from);
        CHECK(rsp_recvmsg(fd, &message, 0) == 4 && memcmp(buffer, "back", 4) == 0);
        CHECK(from.spe_pe_id == (form == 2 ? 0 : pe->spe_pe_id));
    }
    OK(rsp_close(fd));
}

/* Who is in the pool, for those who connect by themselves. */
static void basic_mode(int fd, const struct sockaddr_pehandle *pe) {
    struct sockaddr_pehandle next;
    struct rsp_poolinfo *pool = rsp_getpoolinfo(fd, "every", 5, 0xffffffff);

    CHECK(pool != NULL && pool->pi_count == 1 && pool->pi_policy == RSP_LEAST_USED);
    CHECK(pool->pi_pe[0].pe_handle.spe_pe_id == pe->spe_pe_id && pool->pi_pe[0].pe_naddrs == 1);
    CHECK(pool->pi_pe[0].pe_addrs[0].ss_family == AF_INET && pool->pi_pe[0].pe_life_ms > 0);
    rsp_freepoolinfo(pool);
    pool = rsp_getPoolInfo(fd, "every", 5, 1);
    CHECK(pool != NULL && pool->pi_count == 1);
    rsp_freepoolinfo(pool);
    OK(rsp_getprimaryserver(fd, "every", 5, &next));
    CHECK(next.spe_pe_id == pe->spe_pe_id);
    OK(rsp_getnextserver(fd, &next));
    CHECK(next.spe_pe_id == pe->spe_pe_id);
    FAILS(rsp_getprimaryserver(fd, "nobody", 6, &next), ENOENT);
    CHECK(strlen(rsp_lasterror()) > 0);
    /* of a PE that is not there */
    next.spe_pe_id++;
    OK(rsp_reportfailure(fd, &next));
    OK(rsp_reportpefailure(fd, &next));
}

/* One session per descriptor, in an event loop. */
static void streams(void) {
    int server = serve("stream", SOCK_STREAM), client = (int)rsp_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
    int session, loop = epoll_create1(0);
    struct epoll_event event;
    struct sockaddr_pehandle peer;
    char buffer[16];

    OK(client);
    OK(loop);
    /* the registered socket has no session itself, and the other none yet */
    FAILS(rsp_recvmsg(server, buffer, sizeof(buffer), NULL, 0), ENOTCONN);
    CHECK(strstr(rsp_lasterror(), "rsp_accept") != NULL);
    FAILS(rsp_sendmsg(server, "stream", 6, NULL, 0), ENOTCONN);
    CHECK(strstr(rsp_lasterror(), "rsp_accept") != NULL);
    FAILS(rsp_sendmsg(client, "stream", 6, NULL, 0), ENOTCONN);
    CHECK(strcmp(rsp_lasterror(), "it is not connected") == 0);
    FAILS(rsp_getpeername(client, 77, &peer), ENOTCONN);
    CHECK(strcmp(rsp_lasterror(), "there is no such session") == 0);
    FAILS(rsp_connect(client, "stream", 6), EINPROGRESS);
    memset(&event, 0, sizeof(event));
    event.events = EPOLLOUT;
    OK(epoll_ctl(loop, EPOLL_CTL_ADD, client, &event));
    CHECK(epoll_wait(loop, &event, 1, 30000) == 1);
    FAILS(rsp_connect(client, "stream", 6), EISCONN);
    session = (int)rsp_accept(server, &peer);
    OK(session);
    CHECK(peer.spe_addr.ss_family == AF_INET);
    CHECK(rsp_sendmsg(client, "stream", 6, NULL, 0) == 6);
    CHECK(rsp_recvmsg(session, buffer, sizeof(buffer), NULL, 0) == 6);
    CHECK(rsp_sendmsg(session, buffer, 6, NULL, 0) == 6);
    event.events = EPOLLIN;
    OK(epoll_ctl(loop, EPOLL_CTL_MOD, client, &event));
    CHECK(epoll_wait(loop, &event, 1, 30000) == 1 && (event.events & EPOLLIN));
    CHECK(rsp_recvmsg(client, buffer, sizeof(buffer), NULL, 0) == 6);
    CHECK(epoll_wait(loop, &event, 1, 0) == 0);
    OK(rsp_close(session));
    CHECK(epoll_wait(loop, &event, 1, 30000) == 1);
    CHECK(rsp_recvmsg(client, buffer, sizeof(buffer), NULL, 0) == 0);
    OK(rsp_close(client));
    OK(rsp_close(server));
    close(loop);
}

static int called;

static void on_event(int fd, const struct rsp_notification *n, void *arg) {
    CHECK(n->n_type == RSP_N_FAILOVER && arg == &called);
    CHECK(rsp_sendmsg(fd, "ahead", 5, NULL, 0) == 5);
    called++;
}

/* A callback, run by each of the calls that may. */
static void callbacks(int client) {
    struct pollfd waiting = {client, POLLIN, 0};
    struct timeval time = {30, 0};
    fd_set read;
    char buffer[8];
    int way, before;

    OK(rsp_notify(client, RSP_N_FAILOVER, on_event, &called));
    for (way = 0; way < 5; way++) {
        before = called;
        OK(rsp_forcefailover(client, 0, 0));
        wait_for(client, POLLIN);
        switch (way) {
        case 0:
            CHECK(rsp_poll(&waiting, 1, 0) == 0);
            break;
        case 1:
            FD_ZERO(&read);
            FD_SET(client, &read);
            time.tv_sec = 0;
            CHECK(rsp_select(client + 1, &read, NULL, NULL, &time) == 0);
            break;
        case 2:
            CHECK(rsp_dispatch(client) == 1 && rsp_dispatch(client) == 0);
            break;
        case 3:
            FAILS(rsp_recvmsg(client, buffer, sizeof(buffer), NULL, MSG_DONTWAIT), EAGAIN);
            break;
        default:
            CHECK(rsp_sendmsg(client, "then", 4, NULL, 0) == 4);
        }
        CHECK(called == before + 1);
    }
}

int main(void) {
    struct rsp_loadinfo load;
    struct sockaddr_pehandle own, peer;
    uint32_t number;
    socklen_t len = sizeof(number);
    int server, other, client;

    OK(rsp_initialize(NULL));
    FAILS(rsp_initialize(NULL), EALREADY);
    CHECK(strstr(rsp_lasterror(), "it is started already") != NULL);
    server = (int)rsp_socket(AF_INET, SOCK_DGRAM, 0);
    OK(rsp_setsockopt(server, SOL_RSP, RSP_OPT_COOKIE_KEY, KEY, sizeof(KEY)));
    FAILS(rsp_setsockopt(server, SOL_RSP, RSP_OPT_COOKIE_KEY, KEY, 20), EINVAL);
    OK(rsp_close(server));
    server = serve("every", SOCK_DGRAM);
    memset(&load, 0, sizeof(load));
    load.policy = RSP_LEAST_USED;
    load.load = 0x80000000;
    OK(rsp_register(server, "every", 5, &load));
    OK(rsp_listen(server, 5));
    OK(rsp_getsockname(server, &own));
    CHECK(own.spe_family == AF_RSP && own.spe_handlelen == 5 && memcmp(own.spe_handle, "every", 5) == 0);
    CHECK(own.spe_mapping == RSP_MAPPING_TCP && own.spe_protocol == IPPROTO_TCP && own.spe_pe_id != 0);

    client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(client);
    FAILS(rsp_getpeername(client, 0, &peer), ENOTCONN);
    OK(rsp_connect(client, "every", 5));
    FAILS(rsp_connect(client, "every", 5), EISCONN);
    OK(rsp_getpeername(client, 0, &peer));
    CHECK(peer.spe_pe_id == own.spe_pe_id);
    OK(rsp_getsockopt(client, SOL_RSP, RSP_OPT_MAPPING, &number, &len));
    CHECK(number == RSP_MAPPING_TCP);
    OK(rsp_getsockopt(client, SOL_RSP, RSP_OPT_FEATURES, &number, &len));
    CHECK(number == 1);
    FAILS(rsp_getsockopt(client, SOL_RSP, RSP_OPT_STREAMS, &number, &len), EOPNOTSUPP);
    FAILS(rsp_getsockopt(client, SOL_RSP, RSP_OPT_RTO, &number, &len), EOPNOTSUPP);
    OK(rsp_setbusinesscard(server, &own, 1));

    messages(server, client, own.spe_pe_id);
    names(server, &own);
    basic_mode(client, &own);
    other = serve("every", SOCK_DGRAM);
    wait_for_servers(client, "every", 2);
    cookies(server, other, client);
    callbacks(client);
    streams();

    OK(rsp_close(client));
    FAILS(rsp_close(client), EBADF);
    OK(rsp_deregister(other));
    FAILS(rsp_deregister(other), ENOTCONN);
    OK(rsp_drain(server, 30000));
    CHECK(rsp_lastcause() == 0);
    OK(rsp_close(other));
    OK(rsp_close(server));
    rsp_cleanup();
    return 0;
}
