/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Every notification says which session, and which server, it is about. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

/* The next notification, passing over messages. */
static struct rsp_notification next(int fd) {
    struct rsp_notification notification;
    struct rsp_sndrcvinfo info;
    char buffer[2048];
    ssize_t n;

    do {
        memset(&info, 0, sizeof(info));
        n = rsp_recvmsg(fd, buffer, sizeof(buffer), &info, 0);
        OK(n);
    } while (!(info.sinfo_flags & RSP_NOTIFICATION));
    CHECK(n >= (ssize_t)sizeof(notification));
    memcpy(&notification, buffer, sizeof(notification));
    return notification;
}

static int is_about(const struct rsp_notification *n, uint32_t session, const struct sockaddr_pehandle *pe) {
    return n->n_session == session && n->n_pe.spe_pe_id == pe->spe_pe_id && n->n_pe.spe_mapping == RSP_MAPPING_TCP &&
           n->n_pe.spe_addr.ss_family == AF_INET && n->n_pe.spe_handlelen == 7 && memcmp(n->n_pe.spe_handle, "notices", 7) == 0;
}

/* Sends a message to the pool or, without a name, to the connected session. */
static void ask(int fd, const char *pool, uint32_t context, int flags) {
    struct rsp_sndrcvinfo info;
    struct msghdr message;
    struct iovec part = {(void *)"ask", 3};
    union {
        char bytes[CMSG_SPACE(sizeof(struct rsp_sndrcvinfo))];
        struct cmsghdr align;
    } control;

    memset(&info, 0, sizeof(info));
    info.sinfo_context = context;
    memset(&control, 0, sizeof(control));
    memset(&message, 0, sizeof(message));
    message.msg_name = (void *)(uintptr_t)pool;
    message.msg_namelen = pool == NULL ? 0 : (socklen_t)strlen(pool);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    control.align.cmsg_level = SOL_RSP;
    control.align.cmsg_type = RSP_CMSG_INFO;
    control.align.cmsg_len = CMSG_LEN(sizeof(info));
    memcpy(CMSG_DATA(&control.align), &info, sizeof(info));
    CHECK(rsp_sendmsg(fd, &message, flags) == 3);
}

/* The server is drained: each session goes to the other one. */
static void moves(int fd, uint32_t session, const struct sockaddr_pehandle *from, const struct sockaddr_pehandle *to) {
    struct rsp_notification n;
    int drained = 0, leaving = 0;

    for (n = next(fd); n.n_type != RSP_N_FAILOVER; n = next(fd)) {
        if (n.n_type != RSP_N_SESSION)
            continue;
        if (n.n_code == RSP_SESSION_DRAIN)
            drained = is_about(&n, session, from);
        if (n.n_code == RSP_SESSION_LEAVING)
            leaving = is_about(&n, session, from) && n.n_count == RSP_CAUSE_DRAIN;
    }
    CHECK(drained && leaving);
    CHECK(is_about(&n, session, to) && n.n_count == 1 && n.n_code == RSP_CAUSE_DRAIN);
}

int main(void) {
    uint32_t events = RSP_N_FAILOVER | RSP_N_SESSION | RSP_N_OUTCOME, no = 0;
    int one = serve("notices", SOCK_DGRAM), two, connected, naming, tries, known = 0;
    struct sockaddr_pehandle first, second;
    struct rsp_notification n;
    struct rsp_sndrcvinfo info;
    char buffer[64];

    OK(rsp_getsockname(one, &first));
    connected = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(rsp_connect(connected, "notices", 7));
    OK(rsp_notify(connected, events, NULL, NULL));
    naming = (int)rsp_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_TCP);
    OK(rsp_notify(naming, events, NULL, NULL));

    /* outcomes: who has the message */
    ask(connected, NULL, 5, RSP_ACK);
    CHECK(rsp_recvmsg(one, buffer, sizeof(buffer), &info, 0) == 3);
    OK(rsp_ack(one, &info));
    n = next(connected);
    CHECK(n.n_type == RSP_N_OUTCOME && n.n_code == RSP_ACKNOWLEDGED && n.n_context == 5 && is_about(&n, 0, &first));
    CHECK(rsp_outcome(connected, 5, 0) == RSP_ACKNOWLEDGED);
    ask(naming, "notices", 6, 0);
    CHECK(rsp_recvmsg(one, buffer, sizeof(buffer), &info, 0) == 3);
    n = next(naming);
    CHECK(n.n_type == RSP_N_OUTCOME && n.n_code == RSP_DELIVERED && n.n_context == 6 && n.n_session != 0);
    CHECK(rsp_sendmsg(one, "back", 4, info, 0) == 4);
    CHECK(rsp_recvmsg(naming, buffer, sizeof(buffer), &info, 0) == 4 && is_about(&n, info.sinfo_session, &first));

    /* one server leaves, the other goes on */
    two = serve("notices", SOCK_DGRAM);
    OK(rsp_getsockname(two, &second));
    OK(rsp_setsockopt(connected, SOL_RSP, RSP_OPT_STALE, &no, sizeof(no)));
    for (tries = 0; tries < 3000 && known < 2; tries++) {
        struct rsp_poolinfo *pool = rsp_getpoolinfo(connected, "notices", 7, 0xffffffff);
        CHECK(pool != NULL);
        known = (int)pool->pi_count;
        rsp_freepoolinfo(pool);
        usleep(known < 2 ? 10000 : 0);
    }
    OK(rsp_drain(one, 30000));
    moves(connected, 0, &first, &second);
    moves(naming, info.sinfo_session, &first, &second);

    /* a message that comes back: who had it */
    ask(connected, NULL, 7, RSP_ACK | FAILOVER_NOT_ALLOWED);
    CHECK(rsp_recvmsg(two, buffer, sizeof(buffer), &info, 0) == 3);
    OK(rsp_forcefailover(connected, 0, 0));
    do
        n = next(connected);
    while (n.n_type != RSP_N_OUTCOME);
    CHECK(n.n_code == RSP_RETURNED && n.n_count == RSP_RETURN_NO_FAILOVER && n.n_context == 7 && is_about(&n, 0, &second));
    CHECK(n.n_length == 3);

    OK(rsp_close(connected));
    OK(rsp_close(naming));
    OK(rsp_close(one));
    OK(rsp_close(two));
    rsp_cleanup();
    return 0;
}
