/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One peer that never reads does not keep the socket unwritable for the others. */
#include <rsp.h>

#include "check.h"
#include "sockets.h"

static char block[8000];

/* Sends to a session until there is no room, and for a moment none comes. */
static void fill(int server, uint32_t session) {
    struct pollfd room = {server, POLLOUT, 0};
    struct rsp_sndrcvinfo info;
    int tries;

    memset(&info, 0, sizeof(info));
    info.sinfo_session = session;
    for (tries = 0; tries < 1000; tries++) {
        while (rsp_sendmsg(server, block, sizeof(block), &info, MSG_DONTWAIT) > 0)
            ;
        CHECK(errno == EAGAIN);
        if (poll(&room, 1, 300) == 0)
            return;
    }
    CHECK(!"its window is full");
}

int main(void) {
    int server = serve("stalled", SOCK_DGRAM), clients[2], i;
    uint32_t sessions[2];
    struct rsp_sndrcvinfo info;
    struct pollfd room = {server, POLLOUT, 0};

    for (i = 0; i < 2; i++) {
        clients[i] = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
        OK(clients[i]);
        OK(rsp_connect(clients[i], "stalled", 7));
        CHECK(rsp_sendmsg(clients[i], "x", 1, NULL, 0) == 1);
        CHECK(rsp_recvmsg(server, block, sizeof(block), &info, 0) == 1);
        sessions[i] = info.sinfo_session;
    }
    CHECK(poll(&room, 1, 0) == 1);
    fill(server, sessions[0]);
    fill(server, sessions[1]);

    /* the second reads, the first does not */
    for (i = 0; i < 30000 && poll(&room, 1, 1) == 0; i++)
        while (rsp_recvmsg(clients[1], block, sizeof(block), NULL, MSG_DONTWAIT) > 0)
            ;
    CHECK(i < 30000);
    memset(&info, 0, sizeof(info));
    info.sinfo_session = sessions[1];
    CHECK(rsp_sendmsg(server, "room", 4, &info, MSG_DONTWAIT) == 4);

    /* it waits for nobody's outcome */
    rsp_cleanup();
    return 0;
}
