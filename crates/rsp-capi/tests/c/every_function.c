/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* A server and a client in one process; every function of <rsp.h>. */
#include <rsp.h>

#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static struct sockaddr_in loopback(void) {
    struct sockaddr_in address;
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Waits for the descriptor in a plain poll. */
static void wait_for(int fd, short events) {
    struct pollfd waiting = {fd, events, 0};
    CHECK(poll(&waiting, 1, 30000) == 1);
}

int main(void) {
    struct sockaddr_in address = loopback();
    struct rsp_loadinfo load;
    struct rsp_sndrcvinfo info, back;
    struct sockaddr_pehandle own, peer;
    struct rsp_poolinfo *pool;
    char buffer[256];
    ssize_t n;
    int server, client;

    OK(rsp_initialize(NULL));
    FAILS(rsp_initialize(NULL), EALREADY);

    server = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(server);
    OK(rsp_bind(server, (const struct sockaddr *)&address, sizeof(address)));
    {
        int one = 1;
        OK(rsp_setsockopt(server, SOL_RSP, RSP_OPT_ACKS, &one, sizeof(one)));
    }
    memset(&load, 0, sizeof(load));
    load.policy = RSP_LEAST_USED;
    OK(rsp_register(server, "every", 5, &load));
    load.load = 0x80000000;
    OK(rsp_register(server, "every", 5, &load));
    OK(rsp_listen(server, 5));
    OK(rsp_getsockname(server, &own));
    CHECK(own.spe_family == AF_RSP && own.spe_handlelen == 5 && memcmp(own.spe_handle, "every", 5) == 0);
    CHECK(own.spe_mapping == RSP_MAPPING_TCP && own.spe_protocol == IPPROTO_TCP && own.spe_pe_id != 0);

    client = (int)rsp_socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP);
    OK(client);
    OK(rsp_connect(client, "every", 5));
    FAILS(rsp_connect(client, "every", 5), EISCONN);
    OK(rsp_getpeername(client, 0, &peer));
    CHECK(peer.spe_pe_id == own.spe_pe_id);

    OK(n = rsp_sendmsg(client, "hello", 5, NULL, 0));
    CHECK(n == 5);
    wait_for(server, POLLIN);
    memset(&info, 0, sizeof(info));
    OK(n = rsp_recvmsg(server, buffer, sizeof(buffer), &info, 0));
    CHECK(n == 5 && memcmp(buffer, "hello", 5) == 0 && info.sinfo_session != 0 && (info.sinfo_flags & MSG_EOR));
    OK(rsp_sendmsg(server, buffer, (size_t)n, info, 0));
    memset(&back, 0, sizeof(back));
    OK(n = rsp_recvmsg(client, buffer, 2, &back, 0));
    CHECK(n == 2 && !(back.sinfo_flags & MSG_EOR) && back.sinfo_pe_id == own.spe_pe_id);
    OK(n = rsp_recvmsg(client, buffer, sizeof(buffer), &back, 0));
    CHECK(n == 3 && memcmp(buffer, "llo", 3) == 0 && (back.sinfo_flags & MSG_EOR));
    FAILS(rsp_recvmsg(client, buffer, sizeof(buffer), NULL, MSG_DONTWAIT), EAGAIN);

    pool = rsp_getpoolinfo(client, "every", 5, 0xffffffff);
    CHECK(pool != NULL && pool->pi_count == 1 && pool->pi_policy == RSP_LEAST_USED);
    CHECK(pool->pi_pe[0].pe_handle.spe_pe_id == own.spe_pe_id && pool->pi_pe[0].pe_naddrs == 1);
    rsp_freepoolinfo(pool);

    OK(rsp_close(client));
    FAILS(rsp_close(client), EBADF);
    OK(rsp_deregister(server));
    OK(rsp_close(server));
    rsp_cleanup();
    return 0;
}
